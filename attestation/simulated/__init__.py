"""attestation/simulated."""
