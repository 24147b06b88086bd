"""One listed node judged with everything its client knows: the shell around `openpcc.trust`.

Clients judge the nodes of their shard with it (`openpcc.lookup`), auditors those of every shard
(`openpcc.audit`). It fetches the one proof that the decision needs, and remembers what was
accepted; it decides nothing.
"""

from dataclasses import dataclass, field

from attestation.errors import AttestationError
from attestation.result import Report
from openpcc import state, trust
from openpcc.config import ClientPolicy
from openpcc.errors import DirectoryError, RefusedError
from openpcc.protocol import messages
from openpcc.state import ClientState, StateFile
from openpcc.trust import LogView, TrustedNode
from transparency_log.client import LogClient
from transparency_log.errors import EquivocationError, LogError, OneHistoryError
from transparency_log.witness_policy import verify_checkpoint


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What became of one listed leaf: a trusted node, a refusal with its report, or a problem."""

    leaf: messages.DirectoryLeaf
    node: TrustedNode | None = None
    report: Report | None = None
    problem: str = ""
    """Why there is no report, where there is none."""
    bundle: bytes = field(default=b"", repr=False)
    status: bytes = b""
    """Payload digest of the status entry it was judged under."""

    @property
    def leaf_hash(self) -> bytes:
        """The address of its evidence."""
        return self.leaf.leaf_hash()

    def stands(self, now: int) -> bool:
        """Say whether a trusted node may still be used without judging again."""
        return self.node is not None and now < self.node.expires

    def serves(self, model: str) -> bool:
        """Say whether it is a trusted node whose evidence names this model."""
        return self.node is not None and model in self.node.models


class Judge:
    """Judges bundles for one policy, and remembers how new accepted endorsements were."""

    def __init__(self, policy: ClientPolicy, states: StateFile) -> None:
        self._policy = policy
        self._states = states

    def judge(
        self, data: bytes, leaf: messages.DirectoryLeaf, log: LogClient, view: LogView, now: int
    ) -> Judgement:
        """Judge the evidence that was served for a leaf.

        Raises:
            DirectoryError: its beacon proves that the log contradicts itself.
        """
        status = view.status.payload_digest
        try:
            node, marks = trust.establish(
                data,
                leaf=leaf,
                now=now,
                policy=self._policy,
                view=view,
                consistency=self.consistency(data, log, view),
                newest=self._states.load().marks,
            )
        except RefusedError as error:
            return Judgement(leaf=leaf, report=error.report, bundle=data, status=status)
        self._states.update(lambda old: state.newest(old, ClientState(marks=marks)))
        return Judgement(leaf=leaf, node=node, report=node.report, bundle=data, status=status)

    def consistency(self, data: bytes, log: LogClient, view: LogView) -> tuple[bytes, ...] | None:
        """Fetch the proof that beacon and checkpoint are of one history; None: not to be had.

        A beacon that does not even verify gets none: `trust` refuses it by name. One that verifies
        and is of another tree than ours is kept like any such checkpoint (see `record`).

        Raises:
            DirectoryError: they prove that the log contradicts itself.
        """
        try:
            beacon = verify_checkpoint(trust.beacon_of(data), self._policy.log)
        except (LogError, AttestationError):
            return None
        try:
            return log.consistency(beacon, view.newest)
        except EquivocationError as error:
            raise contradicted(self._states, error) from error
        except OneHistoryError as error:
            if beacon.checkpoint.size < view.newest.checkpoint.size:
                self._states.save_suspicion(error.first, error.second)
            return None
        except LogError:
            return None


def contradicted(states: StateFile, error: EquivocationError) -> DirectoryError:
    """Save both statements: together they prove that somebody shows different records."""
    where = states.save_proof(error.first, error.second)
    return DirectoryError(
        "equivocation",
        f"{error}; both are kept in {where}; report them to the log's witnesses",
    )
