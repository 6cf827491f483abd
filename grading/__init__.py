"""Grade a folder of submissions: `python -m grading 1_forgetting submissions/` writes a CSV file, a row for each.

Two kinds of process, and one border between them. A submission runs in a process of its own, under limits (`student`,
started by `nursery`). The tests, hidden ones included, run in the grader's process (`judge`) and reach the student's
functions through stand-ins (`remote`). What comes back over the border is plain data (`wire`), which the tests then
judge: nothing that a submission prints, overwrites or writes to disk is a score.
"""
