"""A service that is paid with tokens, as an operator runs one: two gateways behind nginx, one
Valkey (or Redis) for what is spent, an issuer on PostgreSQL; every part a process of its own.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from openpcc.cli import wallet
from openpcc.cli.demo.issuing import Payment
from openpcc.cli.demo.programs import Program
from openpcc.cli.demo.stack import DemoStack, EngineChoice
from tests.fakes.nginx import Nginx, free_port
from tests.fakes.redis_server import RedisServer
from tests.transparency_log.server.postgres_server import running_postgres

BALANCER = """
upstream gateways {{ {servers} keepalive 16; }}
server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    location / {{
        proxy_pass http://gateways;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_request_buffering off;
        proxy_buffering off;
        proxy_read_timeout 300s;
    }}
}}
"""


class PaidStack(DemoStack):
    """`gateways` are the replicas; `store` holds what is spent, and what was replayed."""

    REPLICAS = 2

    def __init__(self, folder: Path, engine: EngineChoice, store: RedisServer, dsn: str) -> None:
        (folder / "postgres.dsn").touch(mode=0o600)
        (folder / "postgres.dsn").write_text(dsn)
        payment = Payment(spent=store.url, database='kind = "postgres"\ndsn = "postgres.dsn"')
        super().__init__(folder, engine, print, payment=payment)
        self.store = store
        self.gateways: list[Program] = []
        self._cleanup = ExitStack()

    def close(self) -> None:
        super().close()
        self._cleanup.close()

    def _start_gateway(self) -> Program:
        """Start the replicas and nginx in front; what relays reach is nginx."""
        self.gateways = [self.start_replica(number) for number in range(self.REPLICAS)]
        servers = " ".join(
            # A gateway that was killed is asked again at once: tests choose when it is back.
            f"server {one.listening.removeprefix('http://')} max_fails=0;"
            for one in self.gateways
        )
        port = free_port()
        balancer = Nginx(
            self.folder / "balancer", port, BALANCER.format(port=port, servers=servers)
        )
        self._cleanup.enter_context(balancer)
        said = {"listening": f"http://127.0.0.1:{port}"}
        first = self.gateways[0]
        return Program(name="balancer", said=said, log=first.log, process=first.process)

    def start_replica(self, number: int, *, listen: str = "127.0.0.1:0") -> Program:
        config = self._write(
            f"gateway-{number}.toml",
            self.gateway_settings(listen) + f'replay = "{self.store.url}"\n',
        )
        return self.programs.start(
            f"gateway-{number}", "openpcc-gateway", ["--config", str(config)]
        )

    def fill(self, client: Path) -> None:
        """Have a client buy its tokens, by the command that users have."""
        from openpcc.cli.main import main

        assert main(["wallet", "fill", "--config", str(client)]) == 0, wallet.__doc__


@contextmanager
def running_paid(folder: Path, engine: EngineChoice) -> Iterator[PaidStack]:
    """Start all of it; end it whatever happens. The folder's path must be short: sockets."""
    (folder / "store").mkdir()
    with running_postgres() as postgres, RedisServer(folder / "store") as store:
        stack = PaidStack(folder, engine, store, postgres.new_schema())
        try:
            stack.start()
            yield stack
        finally:
            stack.close()
