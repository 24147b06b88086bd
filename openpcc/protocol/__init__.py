"""What client, gateway and node speak: bytes in, bytes out, no I/O, no clock.

It rests on nothing of ours. The modules, from below:

    errors                  everything that is refused, by code
    varint, byte_queue      integers and buffers of the streaming decoders
    hpke                    RFC 9180 and its hybrid KEMs
    bhttp                   Binary HTTP, RFC 9292
    message_keys            the one derivation of a message's key
    key_config, ohttp       Oblivious HTTP, RFC 9458
    chunks, chunked_ohttp   its chunked form; sealed messages use the same chunks
    sealing                 our sealed requests and replies
    blind_rsa, privacypass  tokens: RFC 9474, RFC 9577, RFC 9578
    messages                media types, routes and small documents
"""
