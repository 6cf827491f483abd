"""Grade a folder of submissions: `python -m grading 1_forgetting handed_in/` writes a CSV file, a row for each student.

Two kinds of process, and one border between them. A submission runs in a sandbox (`sandbox`), where `student` runs its
statements and calls its functions. The checks, hidden ones included, run in a judge (`judge`), a process for each
submission, and reach the student's functions through stand-ins (`remote`). What comes back over the border is plain
data (`wire`). `submissions` says whose is which file, `cells` what of a notebook has to run, `pool` keeps several
judges at work, `gradebook` writes what comes out, and `roster` puts it into the export of Canvas or Moodle.
"""
