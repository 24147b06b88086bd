"""`openpcc audit attack`: what an attacker would try against a service, tried against one's own.

The attacker sits where the threat model puts one: as the gateway, whose every answer a client reads
(`hostile`); as the publisher, who lists what he likes (`evidence`); as the log (`forged_log`); on
the wire (`wire`); as somebody who sends (`requests`); as a web page beside the proxy (`proxy`). The
victims are real: the client's own code, and the running gateway, nodes and proxy.

An attack counts as refused only if what was to refuse it did (`attempt`): whatever else goes wrong
shows nothing. Before each, the same thing is done honestly, and must work.
"""
