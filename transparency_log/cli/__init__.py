"""What people do with a log: `openpcc-log publish | status | revoke | proof | rotate | signer`.

Keys stay on the machine they are on: an entry travels from signer to signer as a file, and the log
gets it when all who must have signed. Needs the base install only.

    main                  arguments, the clock, exit codes
    publish, status, …    a command each
    policy_file, manifest what people write
    signing, guard        adding signatures; never two statuses of one number
    reading, memory       the log as of now, held against what was seen before
    words                 what is about to be signed, for people
    connection            HTTP
"""

COMMANDS = frozenset({"proof", "publish", "revoke", "rotate", "signer", "status"})
"""The words after `openpcc-log` that are these commands; others are the server's."""
