"""How far a search goes: every cap of pricing in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchBudget:
    """Caps of pricing. None is about what a neuron is worth, only about which are looked at.

    A *step* is one position of one pencil (or cell of one direction): about 15 nanoseconds, half of
    them the sort.

    Attributes
    ----------
    exact_instead : int
        Steps up to which the whole class is priced instead of searched: a few milliseconds, as long
        as a search takes. Over ten times as many it takes three times as long.
    exact_at_once : int
        Steps up to which what has to be priced exactly in the end is not searched before, beyond
        local moves: whole fits are as fast or faster that way.
    kept_per_inputs : int
        Hyperplanes that exact pricing keeps for each set of inputs. A round adds some tens of
        columns, and wants them from many sets.
    hinges_per_input : int
        Local maxima kept of each input: a bound on hyperplanes to evaluate, with many inputs.
    hinges_to_tilt : int
        Best hinges that local moves start from; with ``inputs_to_add`` fewer pencils than
        ``most_pencils``.
    inputs_to_add : int
        Inputs that a move may add to a neuron, those with the best hinges (in each group).
    inputs_in_turn : int
        So many others, in turn, in a search everywhere. Near the end of a fit best hinges tell
        little: on spambase, order 3, with the best 16 inputs a search saw 1.00 of alpha where one
        with all 57 saw 1.26.
    steps_per_move : int
        Steps of one local move, within ``least_pencils`` and ``most_pencils``: 0.03 seconds.
    least_pencils, most_pencils : int
        Pencils of one local move. The least are one neuron in each of some rounds even with a
        million points; the most bound the hyperplanes that come out.
    cells_from : int
        Points from which local moves are swept over cells at first: here a sweep over points takes
        about twice as long as one over all ``fine_bins**2`` cells.
    fine_bins : int
        Cells per input of these sweeps; of 2,304 in a pair most lie next to no line.
    coarse_bins, directions : int
        Cells per input and directions, over half a turn, of the fans. Lines of neighbouring
        directions differ by less than a cell.
    steps_per_fan_round : int
        Cells × directions and points over all pairs looked at in one round.
    least_pairs : int
        Pairs looked at in one round at least, half of them the most promising.
    kept_per_pair : int
        Pencils proposed from each pair: a bound, as lines next to each other are one proposal.
    fans_to_sweep, fans_to_refine : int
        Pencils from fans that are swept, at the price of a local move at most, and hyperplanes
        found in them to move on from. Near the end columns at hand have the largest values by
        cells: of 1,600 pairs of spambase the best one left was the 115th by cells.
    exchanged, exchanges : int
        Of a long search where best hyperplanes pass through samples: how many of those in random
        pencils, as many as of a local move, have points exchanged, and how often. Near the end of
        fits of order 3, where local moves of ten times the steps saw 1.00 to 1.12 of alpha on
        phoneme and 1.005 on concrete, these saw 1.21 and 1.04 to 1.12, no later.
    order_of_exchanges : int
        Inputs of these hyperplanes at most; local moves give them more. Of all of many inputs, each
        random pencil takes as many points, and a hyperplane as many pencils to exchange them in: on
        300 rows of 50 and 100 inputs, neurons of any number, whole fits take 4.6 times as long as
        without exchanges, with three inputs 1.3 and 1.6 times, and end as low.
    climbs : int
        Under l2: neurons of the restricted problem from which a round climbs, in turn.
    new_climbs, climbs_everywhere : int
        Likewise: directions of all kinds of ``starts``, with local moves and in a whole search.
        After a slide climbs from neurons find little; some ten of each kind find enough for a
        round, and 50 of each kind nearly all there is.
    climbs_at_the_end, climbs_per_neuron, positions_of_climbs : int
        Climbs of a long search: at least, for each neuron at hand, and climbs × points. What seems
        to be an optimum after a search has been violated by a tenth of alpha or more in one
        direction of some hundreds, and the more neurons, the more such directions: on concrete at
        alpha=3e-5, with 480 neurons, the objective of a minute is as low with 4,000 climbs as with
        1,000, and the gap seen beside it is four times as large, where 1.3 % were still to be
        gained.
    climb_steps : int
        Steps of a climb at most; nearly all climbs stop earlier.
    climb_gain : float
        A step of a climb counts if it raises the value by this fraction.
    offsets : int
        Offsets tried on a climb, evenly spaced; at its end, those through every sample.
    sketched_outputs, entries_searched : int
        A search over a dual point of more entries than the second looks at so many random
        combinations of its outputs: its cost is that of few outputs.
    ramp_steps, ramps_turned : int and tuple of int
        Steps of looking for ramps along directions, and of turning ramps; the least and the most
        directions, or pairs of points, that this makes.
    ramps_to_turn, ramps_evaluated : int
        Best ramps that are turned; and in the end made into neurons, as ``evaluated``.
    evaluated : int
        Hyperplanes made into neurons and priced on their activations: more than a round can add
        after those that do the same work have gone.
    cache_bytes : int
        Bytes of projections, sorted pencils, grids and fans kept between pricings, a quarter for
        each. What is found does not depend on it. Callers bound it by the memory they may use.
    """

    exact_instead: int = 100_000
    exact_at_once: int = 8_000_000
    kept_per_inputs: int = 16
    hinges_per_input: int = 4
    hinges_to_tilt: int = 24
    inputs_to_add: int = 16
    inputs_in_turn: int = 48
    steps_per_move: int = 2_000_000
    least_pencils: int = 32
    most_pencils: int = 1500
    cells_from: int = 4096
    fine_bins: int = 48
    coarse_bins: int = 24
    directions: int = 32
    steps_per_fan_round: int = 60_000_000
    least_pairs: int = 64
    kept_per_pair: int = 6
    fans_to_sweep: int = 512
    fans_to_refine: int = 64
    exchanged: int = 100
    exchanges: int = 3
    order_of_exchanges: int = 3
    climbs: int = 200
    new_climbs: int = 64
    climbs_everywhere: int = 300
    climbs_at_the_end: int = 1000
    climbs_per_neuron: int = 8
    positions_of_climbs: int = 5_000_000
    climb_steps: int = 8
    climb_gain: float = 1e-3
    offsets: int = 256
    sketched_outputs: int = 4
    entries_searched: int = 20_000
    ramp_steps: int = 500_000
    ramps_turned: tuple[int, int] = (32, 200)
    ramps_to_turn: int = 24
    ramps_evaluated: int = 300
    evaluated: int = 1000
    cache_bytes: int = 256 * 2**20

    @property
    def bytes_of_one_cache(self) -> int:
        """Of ``cache_bytes``, what each of the four caches may hold."""
        return self.cache_bytes // 4


@dataclass(frozen=True)
class ChunkedBudget(SearchBudget):
    """Caps of pricing over rows in many chunks, where every pass reads all of them.

    What has the name of a field of ``SearchBudget`` is the same thing at another size.

    Attributes
    ----------
    hinge_bins, cell_bins : int
        Bins of an input for hinges, and cells per input of a pair.
    pairs_per_round : int
        Pairs looked at in one round; over several outputs, so many fewer.
    sector_steps : int
        Pencils × rows of one exact sweep over sectors, within ``least_pencils`` and
        ``most_sectors`` pencils.
    lines_near, lines_around : int
        Lines of such a pencil: those next to the best one known, and others all around.
    """

    hinge_bins: int = 480
    cell_bins: int = 32
    pairs_per_round: int = 64
    sector_steps: int = 30_000_000
    most_sectors: int = 512
    lines_near: int = 192
    lines_around: int = 128
    fans_to_sweep: int = 256
    evaluated: int = 400
    cache_bytes: int = 32 * 2**20


DEFAULT = SearchBudget()
CHUNKED = ChunkedBudget()
