"""What `audit release` tests. docs/audit.md. Finding ids are stable."""

from openpcc.audit.tested import Tested, Tests

PUBLISHER = "ask whoever published the image"
DIFFERENT = (
    "these files are not those of the release, or not for these machines: rely on neither, and "
    f"{PUBLISHER}"
)

RELEASE = Tests(
    table={
        "release.described": Tested(
            text="image.json can be read, and names the files that it is about", remedy=PUBLISHER
        ),
        "release.files": Tested(
            text="every file has the size and the digest that image.json says",
            remedy=f"fetch these files again; if it stays, {PUBLISHER}",
        ),
        "release.image": Tested(
            text="the image is the one that the release names", remedy=DIFFERENT
        ),
        "release.root": Tested(
            text="the root file system on the disk has the root hash in the kernel's command line",
            remedy=DIFFERENT,
        ),
        "release.debug": Tested(
            text="the image is none for debugging, which says on its console what it does",
            remedy=f"send nothing to a node that runs it, and {PUBLISHER}",
        ),
        "release.recipe": Tested(
            text="the recipe beside the image is the one that the release names", remedy=DIFFERENT
        ),
        "release.lists": Tested(
            text="the lists of packages and wheels are those in the recipe", remedy=DIFFERENT
        ),
        "release.models": Tested(
            text="the models beside the image are those of the release, file by file",
            remedy="compare the files that are named with those of the model's publisher",
        ),
        "release.machines": Tested(
            text="image.json describes a machine for every platform of the release, and no other",
            remedy=f"nobody can compute the others; {PUBLISHER}",
        ),
        "release.computed": Tested(
            text="every file that is measured on this platform can be", remedy=PUBLISHER
        ),
        "release.measurement": Tested(
            text="the launch measurement of the release is what these files come to",
            remedy=DIFFERENT,
        ),
        "release.registers": Tested(
            text="the registers of the release are what these files come to", remedy=DIFFERENT
        ),
        "release.rules": Tested(
            text="the rules of the release for other registers are those of this event log",
            remedy=DIFFERENT,
        ),
        "release.given": Tested(
            text="the launch measurement is a cloud's own, and cannot be computed from files"
        ),
        "release.open": Tested(
            text="events that the rules leave to the host of the machine, whatever they are"
        ),
    }
)
"""Every check of an image beside its release, but for those of step 7 of the trust decision."""
