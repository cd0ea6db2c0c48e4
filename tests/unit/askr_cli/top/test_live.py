"""What keys change."""

from askr_cli.top.keyboard import Key
from askr_cli.top.live import press
from askr_cli.top.model import Order
from askr_cli.top.screen import Looks
from askr_cli.top.tables import Focus


def test_keys_change_what_is_shown() -> None:
    looks = Looks()
    for key in (Key.PAUSE, Key.HELP, Key.SORT, Key.TABLE, Key.DOWN, Key.PAGE_DOWN, Key.UP):
        press(key, looks)
    assert looks == Looks(
        order=Order.SLOWEST, focus=Focus.EVENTS, offset=10, paused=True, helping=True
    )
    for key in (Key.FIRST, Key.UP, Key.PAUSE, Key.HELP):
        press(key, looks)
    assert looks == Looks(order=Order.SLOWEST, focus=Focus.EVENTS)


def test_another_table_or_order_begins_at_its_top() -> None:
    looks = Looks(offset=7)
    press(Key.TABLE, looks)
    assert looks.offset == 0
