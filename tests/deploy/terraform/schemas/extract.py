"""Takes from a published package what arguments a provider's resources have: names, types, no text.

Terraform's registry cannot be reached from everywhere, and the providers come from nowhere else.
The npm packages `@cdktf/provider-NAME` were generated from the providers' own schemas and list
every argument in their file `.jsii`.

    npm pack @cdktf/provider-google@16.12.1
    python extract.py google cdktf-provider-google-16.12.1.tgz MODULES > google.json

Which computed arguments may also be set is not in it: whatever may be set is taken as not computed,
but for `id`. Sets are taken as lists. Neither lets a wrong argument through.
"""

import json
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LINK = re.compile(r"/docs(?:/resources/([a-z0-9_]+))?/?#([a-z0-9_]+) ")
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


def main(argv: Sequence[str]) -> None:
    provider, package, modules = argv
    with tarfile.open(package) as archive:
        types = _member(archive, "package/.jsii")["types"]
        about = _member(archive, "package/package.json")
    found = {name: fqn for fqn, one in types.items() if (name := _resource(one))}
    own = f".provider.{provider.capitalize()}ProviderConfig"
    schema = {
        "source": f"{about['name']} {about['version']}",
        "version": about["cdktf"]["provider"]["version"],
        "provider": _block(types, next(fqn for fqn in types if fqn.endswith(own))),
        "resources": {
            name: _with_computed(types, found[name.removeprefix(provider + "_")])
            for name in sorted(_used(provider, Path(modules)))
        },
    }
    json.dump(schema, sys.stdout, indent=1, sort_keys=True)
    print()


def _member(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)


def _used(provider: str, modules: Path) -> set[str]:
    texts = (path.read_text() for path in modules.rglob("*.tf"))
    line = re.compile(rf'^resource "({provider}_\w+)"', re.M)
    return {name for text in texts for name in line.findall(text)}


def _resource(one: Mapping[str, Any]) -> str | None:
    """Name the resource that an interface configures."""
    if one["kind"] != "interface" or "cdktf.TerraformMetaArguments" not in one.get(
        "interfaces", ()
    ):
        return None
    links = [link for each in one.get("properties", ()) if (link := LINK.search(_text(each)))]
    return links[0][1] if links else None


def _text(one: Mapping[str, Any]) -> str:
    docs = one.get("docs", {})
    return f"{docs.get('summary', '')}\n{docs.get('remarks', '')}"


def _block(types: Mapping[str, Any], fqn: str) -> dict[str, Any]:
    block: dict[str, Any] = {"attributes": {}, "blocks": {}}
    for one in types[fqn].get("properties", ()):
        link = LINK.search(_text(one))
        if link is None or link[2] in META:
            continue
        name, required = link[2], not one.get("optional", False)
        if (summary := one.get("docs", {}).get("summary", "")) == f"{name} block.":
            block["blocks"][name] = _nested(types, one["type"], required=required)
        else:
            assert not summary.endswith(" block."), name
            kind = "required" if required else "optional"
            block["attributes"][name] = [_type(types, one["type"]), kind]
    return block


def _nested(types: Mapping[str, Any], kind: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    many = _array(kind)
    block = _block(types, many or kind["fqn"])
    single = (many or kind["fqn"]).endswith("Timeouts")
    limits = {"min": int(required), "max": 0 if many else 1}
    return {"nesting": "single" if single else "list", **limits, **block}


def _array(kind: Mapping[str, Any]) -> str | None:
    """Return what an array holds, where it is one of structures."""
    for one in kind.get("union", {}).get("types", [kind]):
        if one.get("collection", {}).get("kind") == "array":
            fqn = one["collection"]["elementtype"].get("fqn")
            return fqn if isinstance(fqn, str) else None
    return None


def _type(types: Mapping[str, Any], kind: Mapping[str, Any]) -> Any:
    if "primitive" in kind:
        return {"boolean": "bool", "any": "dynamic"}.get(kind["primitive"], kind["primitive"])
    if "collection" in kind:
        outer = "map" if kind["collection"]["kind"] == "map" else "list"
        return [outer, _type(types, kind["collection"]["elementtype"])]
    if "union" in kind:
        first = [one for one in kind["union"]["types"] if one.get("fqn") != "cdktf.IResolvable"]
        return _type(types, first[0])
    inner = _block(types, kind["fqn"])["attributes"]
    return ["object", {name: one for name, (one, _) in inner.items()}]


def _with_computed(types: Mapping[str, Any], fqn: str) -> dict[str, Any]:
    """Add what the provider says by itself: properties of the class that nobody sets."""
    block = _block(types, fqn)
    known = block["attributes"].keys() | block["blocks"].keys()
    block["attributes"]["id"] = ["string", "computed"]
    for name, kind in _said(types[fqn.removesuffix("Config")]):
        if name not in known and name != "id":
            block["attributes"][name] = [kind, "computed"]
    return block


def _said(one: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for each in one.get("properties", ()):
        camel, primitive = each["name"], each["type"].get("primitive")
        said = each.get("immutable") and not each.get("static") and not camel.endswith("Input")
        if said and primitive:
            yield re.sub(r"(?<!^)([A-Z])", lambda upper: "_" + upper[1].lower(), camel), primitive


if __name__ == "__main__":
    main(sys.argv[1:])
