"""Bugs of sets of files: where a resume goes on, whose line a line is, which files there are."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace as changed
from typing import Any

from csvkafka.encode import joined
from csvkafka.job.file_set import FileSet
from csvkafka.ledger.restart_points import RestartPointKeeper
from csvkafka.model import EncodedBlock, EncodePlan, Position, RestartPoint, SourceIdentity
from csvkafka.pipeline import pieces_ahead
from csvkafka.rows import pieces
from csvkafka.rows.pieces import OpenPiece, PlacedBlock

from . import patch, replace


@patch("set-resume-in-the-next-file")
def a_resume_opens_the_file_after_the_checkpoints() -> None:
    opened = FileSet.open_pieces

    def one_too_far(self: FileSet, number: int) -> Generator[OpenPiece, None, None]:
        return opened(self, number + 1 if number else 0)

    replace(FileSet, "open_pieces", one_too_far)


@patch("set-resume-at-the-files-beginning")
def a_resume_reads_the_checkpoints_file_from_its_first_row() -> None:
    blocks = pieces._blocks

    def from_the_first(opened: OpenPiece, _: Position, *arguments: Any) -> Iterator[PlacedBlock]:
        return blocks(opened, Position(0, 0), *arguments)

    replace(pieces, "_blocks", from_the_first)


@patch("set-lines-counted-through")
def a_files_lines_go_on_where_the_file_before_ended() -> None:
    blocks = pieces._blocks
    rows = [0]

    def counted(opened: OpenPiece, *arguments: Any) -> Iterator[PlacedBlock]:
        before = rows[0]
        for cut in blocks(opened, *arguments):
            block = cut.block
            rows[0] = before + block.end.row_count
            start = changed(block.start, row_count=before + block.start.row_count)
            end = changed(block.end, row_count=before + block.end.row_count)
            yield changed(cut, block=changed(block, start=start, end=end))

    replace(pieces, "_blocks", counted)


@patch("set-batch-ends-with-its-first-file")
def files_that_share_a_batch_are_done_where_the_first_one_ends() -> None:
    in_sequence = joined.in_sequence

    def at_the_first(blocks: Iterable[EncodedBlock]) -> EncodedBlock:
        several = list(blocks)
        return changed(in_sequence(several), end=several[0].end)

    replace(joined, "in_sequence", at_the_first)


@patch("set-columns-by-place")
def all_files_are_read_by_the_first_ones_header() -> None:
    blocks = pieces._blocks

    def by_place(
        opened: OpenPiece, start: Position, plan: EncodePlan, *arguments: Any
    ) -> Iterator[PlacedBlock]:
        for cut in blocks(opened, start, plan, *arguments):
            yield changed(cut, plan=changed(cut.plan, header=plan.header))

    replace(pieces, "_blocks", by_place)


@patch("set-list-not-kept")
def a_resume_takes_the_files_that_stand_there_now() -> None:
    def as_it_is_now(
        _: FileSet, stored: SourceIdentity, __: str
    ) -> tuple[SourceIdentity, list[str]]:
        return stored, []

    replace(FileSet, "recall", as_it_is_now)


@patch("set-failure-ahead-is-the-end")
def a_file_that_could_not_be_fetched_ahead_has_ended() -> None:
    replace(pieces_ahead, "raising", lambda _: iter(()))


@patch("set-point-of-the-piece-before")
def the_newest_point_is_used_in_whichever_piece() -> None:
    def newest(self: Any, _: SourceIdentity, place: tuple[int, int]) -> RestartPoint | None:
        before = [kept for kept in self._points if kept.place <= place]
        return before[-1].point if before else None

    replace(RestartPointKeeper, "newest", newest)
