"""From the files of a node image to what the hardware will measure of it.

Anybody who has the files can compute the reference values of a release (docs/formats.md, 4.1), and
so compare what was logged with what was built. A file here per thing that is read, and one per
platform that measures:

    artifact               bytes with a name: every read is bounded, every refusal names the file
    firmware               OVMF: its table of GUIDs, and what it tells AMD's and Intel's launch
    pe, uki, cpio, gpt     the unified kernel image and the disk it stands on
    verity                 the root file system's hash tree
    boot                   what firmware, stub and kernel measure, in order
    sev_snp, tdx, tpm      launch digest; MRTD and RTMRs; PCRs
    model                  the files of a model
    recipe                 the lists that stand in what an image was made by
    image, recompute       a folder with all of it, and what it comes to

Pure: bytes come in. What cannot be known from files (the host's memory map, its ACPI tables, a
cloud's firmware) is not guessed: `attestation.event_rules` says how it is ruled instead.
"""
