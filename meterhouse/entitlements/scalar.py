"""Use drawn from the grants of one account, event by event: the slow twin of `drawdown`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from meterhouse.entitlements.grants import Grant

ZERO = Decimal(0)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Use(NamedTuple):
    """Something to be paid from grants at an instant."""

    use_id: str
    at: datetime
    quantity: Decimal
    item_id: str = ""


class Mark(NamedTuple):
    """The refill of a grant, or, without one, a reset of all."""

    at: datetime
    grant_id: str | None = None
    preserve_overage: bool = False


class Spent(NamedTuple):
    """Burned by (grant, use), balances by grant and what is unpaid by use."""

    burned: Mapping[tuple[str, str], Decimal]
    balances: Mapping[str, Decimal]
    overage: Mapping[str, Decimal]


class _Account:
    """The grants of one account and what is left of them while its time goes by."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        self.grants = sorted(grants, key=lambda grant: grant.rank)
        self.left = {grant.grant_id: ZERO for grant in grants}
        self.open: dict[str, tuple[Use, Decimal]] = {}
        self.settled: dict[str, Decimal] = {}
        self.burned: dict[tuple[str, str], Decimal] = {}

    def holds(self, grant: Grant, at: datetime) -> bool:
        return grant.effective_at <= at < grant.ends_at

    def turn(self, at: datetime, marks: Sequence[Mark]) -> None:
        """Begin, refill and reset what changes at the instant, then let it pay what it carries."""
        resets = [mark for mark in marks if mark.grant_id is None]
        refilled = {mark.grant_id for mark in marks}
        for grant in self.grants:
            if grant.effective_at == at:
                self.left[grant.grant_id] = grant.amount
            elif self.holds(grant, at) and (resets or grant.grant_id in refilled):
                base = grant.amount if grant.grant_id in refilled else ZERO
                self.left[grant.grant_id] = base + self.rolled(grant)
        keeps = any(mark.preserve_overage for mark in resets)
        if resets and not keeps:
            self.settled |= {use: left for use, (_, left) in self.open.items()}
            self.open.clear()
        for grant in self.grants:
            carries = keeps or (grant.preserve_overage and grant.grant_id in refilled)
            if carries and self.holds(grant, at):
                self.carry(grant)

    def rolled(self, grant: Grant) -> Decimal:
        least = max(grant.rollover_min or ZERO, self.left[grant.grant_id])
        return min(grant.rollover_max or ZERO, least)

    def carry(self, grant: Grant) -> None:
        for use, _ in list(self.open.values()):
            if use.at >= grant.effective_at:
                self.pay(grant, use)

    def use(self, use: Use) -> None:
        self.open[use.use_id] = (use, use.quantity)
        for grant in self.grants:
            if self.holds(grant, use.at):
                self.pay(grant, use)

    def pay(self, grant: Grant, use: Use) -> None:
        if use.use_id not in self.open or (grant.items and use.item_id not in grant.items):
            return
        taken = min(self.open[use.use_id][1], self.left[grant.grant_id])
        if taken > 0:
            self.left[grant.grant_id] -= taken
            key = (grant.grant_id, use.use_id)
            self.burned[key] = self.burned.get(key, ZERO) + taken
            self.open[use.use_id] = (use, self.open[use.use_id][1] - taken)


def draw(
    grants: Sequence[Grant],
    uses: Sequence[Use],
    as_of: datetime,
    marks: Sequence[Mark] = (),
    *,
    by_turn: bool = False,
) -> Spent:
    """What the grants of one account pay of its uses before `as_of`, and what is left then.

    `by_turn`: between two instants at which grants change, in the order of the uses given.
    """
    account = _Account(grants)
    turns = {g.effective_at for g in grants} | {mark.at for mark in marks}
    if by_turn:
        turns |= {g.ends_at for g in grants}
    # At one instant what begins or is refilled comes before what is used.
    events: list[tuple[datetime, int, int]] = [(at, 0, 0) for at in turns if at <= as_of]
    for number, use in enumerate(uses):
        at = max((turn for turn in turns if turn <= use.at), default=_BEGINNING)
        events += [(at if by_turn else use.at, 1, number)] if use.at < as_of else []
    for at, is_use, number in sorted(events):
        if is_use:
            account.use(uses[number])
        else:
            account.turn(at, [mark for mark in marks if mark.at == at])
    balances = {g.grant_id: account.left[g.grant_id] for g in grants if account.holds(g, as_of)}
    unpaid = {use: left for use, (_, left) in account.open.items()} | account.settled
    return Spent(account.burned, {g.grant_id: ZERO for g in grants} | balances, unpaid)
