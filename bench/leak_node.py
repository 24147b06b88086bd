"""`openpcc-node` with its padding taken away, to have something to compare with.

    leak_node.py --config FILE --image FILE        as `openpcc-node`

Every flush becomes a record of exactly its own length, as an unpadded stream of events over TLS
would be. This exists for `bench/leak.py` alone: no setting of the product does it.
"""

from node_image.agent import main
from openpcc.protocol.sealing import records


def exact_records(data: bytes, *, pad_to: int = 1) -> list[bytes]:
    """Write one flush as records without padding."""
    cuts = range(0, max(len(data), 1), records.MAX_DATA)
    pieces = [data[at : at + records.MAX_DATA] for at in cuts]
    return [records.encode_record(piece, records.LENGTH_SIZE + len(piece)) for piece in pieces]


if __name__ == "__main__":
    records.padded_records = exact_records
    main.main()
