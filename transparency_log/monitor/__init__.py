"""A monitor: it follows a whole log, judges every entry, and remembers what it found.

Theory of operation. Everybody may read the log; clients read its end. Who has signed two histories,
left out a number or listed a revoked release again can be seen only by somebody who reads all of
it, and that is the monitor's work:

1. checkpoint  the newest one, by the policy's log and witnesses                  `witness_policy`
2. history     it extends the newest one that was remembered                      `history`
3. prove       the entries, stretch by stretch, are those of the checkpoint       `follow`
4. judge       each entry by itself: parsed, and signed by whom                   `judge`
5. chain       signed ones against what came before in their chain                `chain`
6. remember    what was found, and how far; in one transaction for each stretch   `book`

Step 4 is the work, and goes to as many processes as there are cores; the others are done in the
log's order by the one process that reads. What was read ahead is bounded, and so is what is
remembered in memory: the numbers of chains stand in a file.

Entries that nobody of the policy has signed are counted and pass: anybody may submit.
"""
