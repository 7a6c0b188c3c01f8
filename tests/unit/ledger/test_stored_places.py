"""Which stored bytes went into a place of the content."""

from __future__ import annotations

from csvkafka.ledger.stored_places import StoredPlaces


def places() -> StoredPlaces:
    """Told out of order, as pieces that are fetched ahead are."""
    made = StoredPlaces()
    for place, stored_bytes in (((2, 50), 20), ((0, 100), 10), ((0, 200), 30), ((2, 90), 25)):
        made.add(place, stored_bytes)
    return made


def test_the_newest_place_before_counts_in_its_own_piece_only() -> None:
    known = places()
    assert [known.before((0, byte)) for byte in (99, 100, 150, 200, 900)] == [None, 10, 10, 30, 30]
    assert known.before((1, 900)) is None
    assert [known.before((2, byte)) for byte in (49, 50, 90)] == [None, 20, 25]


def test_what_is_before_a_checkpoint_is_forgotten() -> None:
    known = places()
    known.forget((0, 150))
    assert [known.before((0, byte)) for byte in (99, 150, 200)] == [None, 10, 30]
    known.forget((2, 60))
    assert known.before((0, 900)) is None
    assert known.before((2, 60)) == 20
