"""When a new version is good enough, and when it is not: Wald's sequential probability ratio test.

It decides after as few requests as the evidence allows, so a canary needs requests, not users or minutes: a version
that always answers is accepted after 73, one that never answers is refused after 3, one that fails every fifth
request after about 20.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

ACCEPTABLE = 0.01  # a failure rate that is not worth stopping a release for …
UNACCEPTABLE = 0.10  # … and one that is; between the two either answer is right
ERROR = 0.001  # probability of the wrong answer, on either side
LIMIT = 500  # requests without a decision: the rate lies between the two, and no release should gamble on it


@dataclass
class SequentialTest:
    """Counts requests until one of two failure rates is (1 / error) times as likely as the other."""

    acceptable: float = ACCEPTABLE
    unacceptable: float = UNACCEPTABLE
    error: float = ERROR
    limit: int = LIMIT
    successes: int = 0
    failures: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 < self.acceptable < self.unacceptable < 1:
            raise ValueError("failure rates must satisfy 0 < acceptable < unacceptable < 1")

    def add(self, problem: str | None, times: int = 1) -> None:
        """Count `times` requests that went well (`problem` is None) or failed for the reason given."""
        if problem is None:
            self.successes += times
        else:
            self.failures += times
            self.problems.append(problem)

    @property
    def requests(self) -> int:
        return self.successes + self.failures

    @property
    def verdict(self) -> bool | None:
        """True: the version is good. False: it is not. None: too early to say."""
        evidence = self.failures * math.log(self.unacceptable / self.acceptable)
        evidence += self.successes * math.log((1 - self.unacceptable) / (1 - self.acceptable))
        bound = math.log((1 - self.error) / self.error)
        if evidence >= bound:
            return False
        if evidence <= -bound:
            return True
        return False if self.requests >= self.limit else None
