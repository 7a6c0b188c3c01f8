"""The dead letters that a replay loads, read as its source, with none of the loader's code.

Row k of a replay is the k-th letter of the job that it replays: of the records in that job's
dead-letter topic the k-th that its producer id wrote, up to the Kafka offset that the replay's item
pins. A record of the replay says what the row was in its file, so it is known by that which letter
it stands for. The letters are read twice: first for their places, then for their rows.

Memory: about 125 bytes for each letter.
"""

from __future__ import annotations

import codecs
import io
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from csvkafka.errors import ConfigError, TopicChangedError, counted
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.model import SOURCE_FILE, SOURCE_LINE, SourceIdentity
from csvkafka.testing.checker.documented import SourceRows, TopicRecord
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.topic_reader import TopicReader

PARTITION = 0
"""That of all dead letters."""

ReadRow = Callable[[io.BytesIO, Sequence[str]], SourceRows]
"""The rows in bytes that begin with a byte order mark, given the names of their columns."""


@dataclass(frozen=True, slots=True)
class PinnedLetters:
    """Which letters a replay's item names: `count` records of `producer_id` in `topic`, before the
    Kafka offset `end`."""

    job_id: str
    topic: str
    producer_id: int
    end: int
    count: int

    @classmethod
    def of(cls, source: SourceIdentity) -> PinnedLetters:
        """As the item has them for a source."""
        _, producer_id, end, count = source.etag.rsplit("/", 3)
        return cls(source.key, source.bucket, int(producer_id), int(end), int(count))


@dataclass(frozen=True, slots=True)
class LetterLines:
    """The letters whose rows stood in one file: the number of each, by the line that it had. `file`
    numbers the files that have letters."""

    file: int
    numbers: dict[int, int] = field(default_factory=dict)

    def at(self, line: int) -> int:
        """The number of the letter of that line; -1 if there is none."""
        return self.numbers.get(line, -1)


class ReplayedRows:
    """The rows of pinned letters; as `SetFiles`, for a record's file and line. `names_of` says what
    the columns of a file are called, by its URI; `read_row` reads a row in `encoding`."""

    def __init__(
        self,
        settings: KafkaSettings,
        letters: PinnedLetters,
        encoding: str,
        names_of: Callable[[str], Sequence[str]],
        read_row: ReadRow,
        first_uri: str = "",
    ) -> None:
        """`first_uri` is the file whose header counts for all. Raises TopicChangedError if letters
        are missing."""
        self._settings = settings
        self._letters = letters
        self._names_of = names_of
        self._read_row = read_row
        self._first_uri = first_uri
        codec = codecs.lookup(encoding).name
        is_utf_16 = codec.startswith("utf-16")
        # What a reading drops at the very beginning is put there: a letter is no beginning.
        self._mark = "\ufeff".encode(codec) if is_utf_16 or codec == "utf-8" else b""
        self._line_end = "\n".encode(codec if is_utf_16 else "ascii")
        self.lines: dict[str, LetterLines] = {}
        self._uris: list[str] = []
        self._places = (array("L"), array("Q"))
        for number, (_, uri, line) in enumerate(self._read(), 1):
            if uri not in self.lines:
                self.lines[uri] = LetterLines(len(self._uris))
                self._uris.append(uri)
            self.lines[uri].numbers[line] = number
            self._places[0].append(self.lines[uri].file)
            self._places[1].append(line)
        found = len(self._places[1])
        if found != letters.count:
            raise TopicChangedError(
                f"topic {letters.topic} has {found} of the {counted(letters.count, 'letter')} of "
                f"job {letters.job_id}: retention took the others, or they were deleted, so this "
                "replay cannot be judged any more; look at csvkafka status, and verify a replay "
                "while its letters are there"
            )

    @property
    def count(self) -> int:
        """How many letters there are."""
        return self._letters.count

    def header(self) -> Sequence[str]:
        """The columns that the job was defined with."""
        return self._names_of(self._first_uri)

    def rows(self) -> Iterator[SourceRow]:
        """The row of each letter. Raises ConfigError for one that is not one row."""
        uri, names = "", tuple[str, ...]()
        for record, own, line in self._read():
            if own != uri:
                uri, names = own, tuple(self._names_of(own))
            data = self._mark + (record.value or b"") + self._line_end
            rows = list(self._read_row(io.BytesIO(data), names))
            if len(rows) != 1:
                raise ConfigError(
                    f"the letter of row {line} of {uri}, at Kafka offset {record.kafka_offset} of "
                    f"topic {self._letters.topic}, is {len(rows)} rows by these settings; give "
                    "verify those that the replay had"
                )
            yield rows[0]

    def place_of(self, number: int) -> tuple[str, int]:
        """The file of the letter `number` (1 is the first), and the line that its row had there."""
        return self._uris[self.file_of(number)], self._places[1][number - 1]

    def file_of(self, number: int) -> int:
        """The number of that file, among those that have letters."""
        return self._places[0][number - 1]

    def _read(self) -> Iterator[tuple[TopicRecord, str, int]]:
        """Each letter with the file and the line of its row."""
        letters = self._letters
        ours = letters.producer_id
        with TopicReader(self._settings, letters.topic, producer_id=ours) as reader:
            for record in reader.read(PARTITION):
                if record.kafka_offset >= letters.end:
                    return
                if not reader.is_of_another(PARTITION, record.kafka_offset):
                    headers = dict(record.headers)
                    uri = (headers.get(SOURCE_FILE) or b"").decode("utf-8", "replace")
                    yield record, uri, int(headers.get(SOURCE_LINE) or b"0")
