"""Run inside a D-Bus session of its own, with a real gnome-keyring: prints what it found as JSON.

in_keystore.py FOLDER make|open|lose|lock
"""

import json
import sys
from pathlib import Path

import secretstorage

from openpcc.errors import WalletError
from openpcc.tokens import keystore
from openpcc.tokens.store import Store
from openpcc.tokens.wallet import Wallet


def default_collection() -> secretstorage.Collection:
    return secretstorage.get_default_collection(secretstorage.dbus_init())


def look(folder: Path) -> dict[str, object]:
    store = Store(folder, "demo.example")
    try:
        stock = Wallet(store).counts().stock
    except WalletError as error:
        return {"code": error.code, "said": str(error)}
    else:
        return {"protected": store.protected, "stock": stock}
    finally:
        store.close()


def main(folder: Path, actions: list[str]) -> None:
    found: list[dict[str, object]] = []
    for action in actions:
        if action == "lose":
            for item in list(default_collection().get_all_items()):
                item.delete()
        elif action == "lock":
            default_collection().lock()
        elif action == "items":
            items = list(default_collection().get_all_items())
            sizes = [len(item.get_secret()) for item in items]
            found.append({"items": len(items), "sizes": sizes})
        elif action == "find":
            found.append({"found": keystore.find() is not None})
        else:
            found.append(look(folder))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
