"""A stand-in for the panel of a desktop: a StatusNotifier host that reads a tray item and clicks its menu.

It owns the watcher's name on the session bus whose address it is given, and lives on an asyncio loop in a
thread of its own, so that tests can be plain functions. No pixels, no timing: the item itself answers.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from dbus_fast import Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import (  # noqa: TC002 - read at run time
    DBusBool,
    DBusDict,
    DBusInt32,
    DBusSignature,
    DBusStr,
    DBusUInt32,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


_WATCHER = "org.kde.StatusNotifierWatcher"
_ITEM = "org.kde.StatusNotifierItem"
_MENU = "com.canonical.dbusmenu"
_NOTIFICATIONS = "org.freedesktop.Notifications"
_NOTICE_ID = 7
_TIMEOUT_S = 20.0

Value = TypeVar("Value")
Nothing = Annotated[None, DBusSignature("")]
Names = Annotated[list[str], DBusSignature("as")]
Action = Annotated[list[Any], DBusSignature("us")]


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry of the tray menu as the panel sees it."""

    id: int
    label: str
    enabled: bool
    checked: bool
    below: dict[str, MenuEntry]
    """The entries of its submenu, by label."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as a person reads it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Icon:
    """One size of the tray icon; pixels are ARGB in network byte order."""

    width: int
    height: int
    pixels: bytes


class SniHost:
    """The host, as tests use it. All methods wait for an answer, or raise `TimeoutError`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, services: _Services) -> None:
        self._loop = loop
        self._bus = services.bus
        self._watcher = services.watcher
        self._notifications = services.notifications

    def wait_for_item(self) -> None:
        """Until an app has put its icon into the panel."""
        self._await(self._watcher.registered.wait())

    def tooltip(self) -> str:
        """The icon's tooltip."""
        return str(self._await(self._item_property("ToolTip"))[2])

    def icons(self) -> tuple[Icon, ...]:
        """The icon in all the sizes that the app sent."""
        return tuple(Icon(*one) for one in self._await(self._item_property("IconPixmap")))

    def activate(self) -> None:
        """A left click on the icon."""
        self._await(self._call("/StatusNotifierItem", _ITEM, "Activate", "ii", [0, 0]))

    def menu(self) -> dict[str, MenuEntry]:
        """The visible entries by label, without mnemonics and separators, in their order."""
        return self._await(self._menu())

    def open_menu(self) -> None:
        """Tell the app that a person is about to read the menu, as panels do."""
        self._await(self._call(self._await(self._menu_path()), _MENU, "AboutToShow", "i", [0]))

    def click(self, label: str, *below: str) -> None:
        """Choose an entry of the menu, or of a submenu."""
        entry = self.menu()[label]
        for part in below:
            entry = entry.below[part]
        if not entry.enabled:
            raise AssertionError(f"The menu entry {label!r} is disabled")
        event = [entry.id, "clicked", Variant("s", ""), 0]
        self._await(self._call(self._await(self._menu_path()), _MENU, "Event", "isvu", event))

    def wait_for_notice(self) -> Notice:
        """The next notice that the app shows."""
        return self._await(self._notifications.shown.get())

    def click_notice(self) -> None:
        """A click on the last notice."""
        self._loop.call_soon_threadsafe(self._notifications.ActionInvoked, _NOTICE_ID, "default")

    def wait_until(self, condition: Callable[[SniHost], Value]) -> Value:
        """The first true value of `condition`, asked again after each change that the app announces."""
        while True:
            # Cleared first, so that no change between the question and the wait is missed.
            self._loop.call_soon_threadsafe(self._watcher.item_changed.clear)
            if value := condition(self):
                return value
            self._await(self._watcher.item_changed.wait())

    async def _menu(self) -> dict[str, MenuEntry]:
        path = await self._menu_path()
        _, (_, _, children) = await self._call(path, _MENU, "GetLayout", "iias", [0, -1, []])
        return _entries(children)

    async def _menu_path(self) -> str:
        return str(await self._item_property("Menu"))

    async def _item_property(self, name: str) -> Any:
        path, interface = "/StatusNotifierItem", "org.freedesktop.DBus.Properties"
        (variant,) = await self._call(path, interface, "Get", "ss", [_ITEM, name])
        return variant.value

    async def _call(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> list[Any]:
        message = Message(
            destination=self._watcher.items[-1],
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
        )
        reply = await self._bus.call(message)
        if reply is None or reply.message_type is MessageType.ERROR:
            raise RuntimeError(f"{member}: {reply and reply.body}")
        return list(reply.body)

    def _await(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        bounded = asyncio.wait_for(coroutine, _TIMEOUT_S)
        return asyncio.run_coroutine_threadsafe(bounded, self._loop).result()


class _Watcher(ServiceInterface):
    """The service where tray items register."""

    def __init__(self) -> None:
        super().__init__(_WATCHER)
        self.items: list[str] = []
        self.registered = asyncio.Event()
        self.item_changed = asyncio.Event()

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: DBusStr) -> Nothing:  # noqa: N802 - the protocol's names
        self.items.append(service)
        self.registered.set()

    @dbus_method()
    def RegisterStatusNotifierHost(self, service: DBusStr) -> Nothing:  # noqa: N802
        pass

    @dbus_property(access=PropertyAccess.READ)
    def RegisteredStatusNotifierItems(self) -> Names:  # noqa: N802
        return self.items

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:  # noqa: N802
        return True

    @dbus_property(access=PropertyAccess.READ)
    def ProtocolVersion(self) -> DBusInt32:  # noqa: N802
        return 0

    @dbus_signal()
    def StatusNotifierHostRegistered(self) -> Nothing:  # noqa: N802
        pass

    def note(self, message: Message) -> None:
        """Anything that an item announces, by itself or by its menu, is a change."""
        if message.message_type is MessageType.SIGNAL and message.interface in (_ITEM, _MENU):
            self.item_changed.set()


class _Notifications(ServiceInterface):
    """The service that shows notices."""

    def __init__(self) -> None:
        super().__init__(_NOTIFICATIONS)
        self.shown: asyncio.Queue[Notice] = asyncio.Queue()

    @dbus_method()
    def Notify(  # noqa: N802, PLR0913, PLR0917 - the protocol's name and parameters
        self,
        app_name: DBusStr,  # noqa: ARG002
        replaces_id: DBusUInt32,  # noqa: ARG002
        app_icon: DBusStr,  # noqa: ARG002
        summary: DBusStr,
        body: DBusStr,
        actions: Names,  # noqa: ARG002
        hints: DBusDict,  # noqa: ARG002
        expire_timeout: DBusInt32,  # noqa: ARG002
    ) -> DBusUInt32:
        self.shown.put_nowait(Notice(summary, body))
        return _NOTICE_ID

    @dbus_method()
    def GetCapabilities(self) -> Names:  # noqa: N802
        return ["body", "actions"]

    @dbus_signal()
    def ActionInvoked(self, number: int, action: str) -> Action:  # noqa: N802
        return [number, action]


@contextmanager
def sni_host(bus_address: str) -> Iterator[SniHost]:
    """A host on this session bus; gone, and its thread with it, when the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sni-host")
    thread.start()
    services = asyncio.run_coroutine_threadsafe(_open(bus_address), loop).result(_TIMEOUT_S)
    try:
        yield SniHost(loop, services)
    finally:
        asyncio.run_coroutine_threadsafe(_close(services.bus), loop).result(_TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_TIMEOUT_S)
        loop.close()


@dataclass(frozen=True, slots=True)
class _Services:
    bus: MessageBus
    watcher: _Watcher
    notifications: _Notifications


async def _open(bus_address: str) -> _Services:
    bus = await MessageBus(bus_address=bus_address).connect()
    watcher, notifications = _Watcher(), _Notifications()
    bus.export("/StatusNotifierWatcher", watcher)
    bus.export("/org/freedesktop/Notifications", notifications)
    bus.add_message_handler(watcher.note)
    for interface in (_ITEM, _MENU):
        rule = f"type='signal',interface='{interface}'"
        await bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=[rule],
            )
        )
    await bus.request_name(_NOTIFICATIONS)
    await bus.request_name(_WATCHER)
    return _Services(bus, watcher, notifications)


async def _close(bus: MessageBus) -> None:
    bus.disconnect()
    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


def _entries(children: list[Variant]) -> dict[str, MenuEntry]:
    entries = (_entry(child.value) for child in children)
    return {entry.label: entry for entry in entries if entry}


def _entry(value: tuple[int, dict[str, Variant], list[Any]]) -> MenuEntry | None:
    number, properties, children = value
    words: dict[str, Any] = {name: variant.value for name, variant in properties.items()}
    if words.get("type") == "separator" or not words.get("visible", True):
        return None
    # A single underscore marks the mnemonic, a double one is an underscore.
    label = str(words.get("label", "")).replace("__", "\0").replace("_", "").replace("\0", "_")
    enabled, checked = bool(words.get("enabled", True)), words.get("toggle-state") == 1
    return MenuEntry(number, label, enabled, checked, _entries(children))
