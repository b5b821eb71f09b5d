"""Which keys of a job file take addresses, such as s3://BUCKET/PREFIX, in place of paths."""

from collections.abc import Callable, Iterator

import msgspec

from batchclf.core.options import PathText, options_of
from batchclf.data.sources.addresses import Address, is_address, located
from batchclf.errors import JobFileError, UsageError
from batchclf.jobs.config.spec import JobSpec
from batchclf.jobs.config.toml_lines import Keys, dotted

_OF_DIRECTORIES = ("path", "labels", "label_map")
_WITH_ADDRESSES = (
    "addresses are taken for model.bundle, publish.to, slices.metadata, and path, labels and label_map of directories"
)


def wrong_addresses(spec: JobSpec, error: Callable[[Keys, str, str], JobFileError]) -> Iterator[JobFileError]:
    """Yield an error for each address that is none, or whose key takes paths only."""
    for keys, text in _addresses(spec, ()):
        if keys == ("publish", "to") and not text.lower().startswith("s3://"):
            continue
        try:
            place = located(text)
        except UsageError as wrong:
            yield error(keys, f"{dotted(keys)}: {wrong.message}", wrong.hint)
            continue
        if isinstance(place, Address) and not _takes_addresses(keys):
            yield error(keys, f"{dotted(keys)} takes a path, not an address", f"give a path; {_WITH_ADDRESSES}")
    if spec.publish.to is not None and not spec.publish.to.lower().startswith("s3://"):
        hint = "write s3://BUCKET/PREFIX; a folder is publish.reports"
        yield error(("publish", "to"), f"publish.to is no address in an object store: {spec.publish.to}", hint)
    if spec.model.retrain and is_address(spec.model.bundle or ""):
        hint = "give a path, and copy the bundle after the run; or remove retrain"
        yield error(("model", "retrain"), "model.retrain writes the bundle, which an address does not allow", hint)


def _takes_addresses(keys: Keys) -> bool:
    if keys[:2] == ("scoring", "directories"):
        return keys[-1] in _OF_DIRECTORIES
    return keys in (("model", "bundle"), ("publish", "to"), ("slices", "metadata"))


def _addresses(value: msgspec.Struct, keys: Keys) -> Iterator[tuple[Keys, str]]:
    for name, option in options_of(type(value)).items():
        inner = getattr(value, option.attribute)
        for more, each in inner.items() if isinstance(inner, dict) else [((), inner)]:
            here: Keys = (*keys, name, *([more] if more else []))
            if isinstance(each, msgspec.Struct):
                yield from _addresses(each, here)
            elif isinstance(each, str) and (option.kind == PathText or isinstance(inner, dict)) and is_address(each):
                yield here, each
