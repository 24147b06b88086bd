"""NVIDIA GPUs (Hopper, Blackwell) and NVSwitches (LS10): SPDM reports, RIMs and OCSP answers.

Sources: DMTF DSP0274 1.1 (messages), NVIDIA's attestation documents (opaque data, RIM identifiers),
TCG DICE attestation architecture (firmware ids), TCG RIM information model (RIMs).
"""
