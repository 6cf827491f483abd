/* What the search takes for a word, when the book is indexed and when someone searches (bi-r and 19.9 are words), and
   what it finds: all words if it can, with typing errors; chapters and the glossary before the library. */
var BOOK_SEARCH = {
  fields: ["heading", "title", "text"],
  storeFields: ["heading", "title", "url", "kind"],
  tokenize: (text) =>
    (text.match(/[\p{L}\p{N}]+(?:[-.'+/][\p{L}\p{N}]+)*/gu) || []).flatMap((word) => {
      const parts = word.split(/[-'+/]/); // not at a decimal point
      return parts.length > 1 ? [word, ...parts.filter((part) => part.length > 1)] : [word];
    }),
  processTerm: (term) => {
    const word = term.toLowerCase().replace(/'s$/, "");
    return BOOK_SEARCH.common.has(word) ? null : word;
  },
  weight: { chapter: 1.6, term: 1.5, page: 1, library: 0.2 },
  find: (engine, query) => {
    const options = {
      prefix: (term) => term.length > 2 && !/^\d/.test(term),
      fuzzy: (term) => (term.length > 4 && !/\d/.test(term) ? 0.2 : false),
      boost: { heading: 4, title: 2 },
      boostDocument: (id, term, stored) => BOOK_SEARCH.weight[stored.kind],
    };
    const all = engine.search(query, { ...options, combineWith: "AND" });
    return all.length ? all : engine.search(query, options);
  },
  common: new Set("a an and are as at be by do for from how i in is it of on or that the this to what with".split(" ")),
};
