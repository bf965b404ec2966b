"""Write functions, registered by name.

An app puts them into its module `write_functions`, which is imported at start, like `admin`:

    @write_function("notes.add")
    def add_note(write: Write) -> Result:
        note = Note.objects.create(text=write.arguments["text"])
        return Result(http_status=201, body={"id": note.id, "text": note.text})

The function runs in the writer, inside the transaction of its batch. It may raise `WriteRejected`, and what a
view may raise (`Http404`, `ValidationError`, `PermissionDenied`, DRF's exceptions); any other exception makes
the write `failed`. Either way only this write is undone. It may be applied more than once: effects outside
the store (mail, HTTP) belong into `transaction.on_commit`. WRITE_FUNCTIONS.md tells all of it.
"""

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from importlib import import_module
from typing import Any, Protocol, cast

from django.db.models import Model

from workers import principals
from workers.exceptions import UnknownWriteFunction, WriteRejected
from workers.writes import Result, Write

Apply = Callable[[Write], Result]
ApplyMany = Callable[[Sequence[Write]], Sequence[Result]]
Permission = str | Callable[[Write], Collection[str]]
"""Of Django, as `notes.add_note`; or what returns those that a write needs, where its arguments decide."""


class WriteFunction:
    """A named write function, and its bulk form where it has one."""

    def __init__(
        self,
        name: str,
        apply: Apply,
        *,
        model: type[Model] | None = None,
        permission: Permission | None = None,
    ) -> None:
        self.name = name
        self.apply = apply
        self.model = model
        """What it creates, changes or deletes one of: the admin leads from a receipt to that object."""
        self.permission = permission
        """What the user who asked must have when the write is committed; None for nothing."""
        self.apply_many: ApplyMany | None = None

    def __call__(self, write: Write) -> Result:
        return self.apply(write)

    def refuse_unpermitted(self, write: Write) -> None:
        """Raise WriteRejected (403) unless who asked has the permission now. For the writer.

        A write without a principal comes from the program itself, a command or a task, and may do everything.
        """
        if self.permission is None or not write.principal:
            return
        needed = [self.permission] if isinstance(self.permission, str) else self.permission(write)
        user = principals.judged_user(write.principal)
        missing = [one for one in needed if not user.has_perm(one)]
        if missing:
            detail = f"Without the permission {', '.join(sorted(missing))} this is not committed."
            raise WriteRejected(403, "permission_denied", detail)

    def bulk(self, apply_many: ApplyMany) -> ApplyMany:
        """Register the bulk form, used for runs of this kind in one batch.

        It gets the writes in order and returns one result for each, in that order. When it raises, its
        effects are undone and the writes are applied one by one, so it need not sort out a bad one.
        """
        self.apply_many = apply_many
        return apply_many


class Owner(Protocol):
    """A class with write functions of its own, which are named `module:Class.operation`."""

    @classmethod
    def write_function_for(cls, operation: str) -> Apply:
        """Return what applies writes of this operation. Raises LookupError for one that there is not."""

    @classmethod
    def written_model(cls) -> type[Model] | None:
        """Return of which model each write concerns one object, if it does."""


_functions: dict[str, WriteFunction] = {}


def write_function(
    name: str, *, model: type[Model] | None = None, permission: Permission | None = None
) -> Callable[[Apply], WriteFunction]:
    """Register the decorated function under `name`, by custom `<app>.<verb>`.

    The `permission` is what the user who asked must have when the write is committed, such as
    `notes.add_note`: the writer asks, because it may have been taken away since the write was accepted.

    With the `model` of which it creates, changes or deletes one object, the admin leads from its receipts to
    that object. Its primary key is the `key` of the function's result, else the `id` in the result's body.
    """

    def register(apply: Apply) -> WriteFunction:
        known = _functions.get(name)
        # A module that is reloaded registers its own function once more, which is no conflict.
        if known is not None and (known.apply.__module__, known.apply.__qualname__) != (
            apply.__module__,
            apply.__qualname__,
        ):
            raise ValueError(
                f"The write function {name!r} is registered already: {known.apply.__qualname__}."
            )
        _functions[name] = WriteFunction(name, apply, model=model, permission=permission)
        return _functions[name]

    return register


def is_used() -> bool:
    """Return whether the project has write functions; those of this package do not count."""
    return any(not function.apply.__module__.startswith("workers.") for function in _functions.values())


def names() -> list[str]:
    """Return the names of all write functions."""
    return sorted(_functions)


def find(name: str) -> WriteFunction:
    """Return the write function of this name. Raises UnknownWriteFunction."""
    function = _functions.get(name)
    if function is None:
        function = _functions[name] = _of_owner(name)
    return function


def permissions() -> dict[str, str]:
    """Return the permissions that write functions name outright, by their names."""
    return {name: one.permission for name, one in _functions.items() if isinstance(one.permission, str)}


def needs_permission(name: str) -> bool:
    """Return whether who asks for a write of this function must have a permission."""
    function = _functions.get(name)  # of a view's own functions the view is asked
    return function is not None and function.permission is not None


def _of_owner(name: str) -> WriteFunction:
    """Import the class that has this function: the writer does not, until the first such write."""
    unknown = (
        f"No write function is named {name!r}. Is its app installed, and the writer of the same version?"
    )
    place, _, operation = name.rpartition(".")
    if ":" not in place:
        raise UnknownWriteFunction(unknown)
    try:
        owner = cast(Owner, class_named(place))
        return WriteFunction(name, owner.write_function_for(operation), model=owner.written_model())
    except Exception as exc:  # whatever a module may raise while it is imported
        raise UnknownWriteFunction(f"{unknown} {type(exc).__name__}: {exc}") from exc


def name_of(owner: type) -> str | None:
    """Return the name by which the writer finds this class, or None for one that is made at run time."""
    name = f"{owner.__module__}:{owner.__qualname__}"
    try:
        return name if class_named(name) is owner else None
    except (ImportError, AttributeError):
        return None


def class_named(name: str) -> Any:
    """Return the class of this name, `module:Class`. Raises ImportError and AttributeError."""
    module, _, path = name.partition(":")
    return reduce(getattr, path.split("."), import_module(module))


def user_id(write: Write) -> Any:
    """Return the primary key of the user who asked, in its own type, or None for nobody in particular."""
    return principals.key_of(write.principal)
