"""Training: what a replica is a function of, stopping, multipliers, recovery and going on from a checkpoint."""

import numpy as np
import pytest
import tensorflow as tf

from nnpdf_lite.fit.batch import MAX_ATTEMPTS
from nnpdf_lite.fit.checkpoint import Checkpoint, load_checkpoint, previous
from nnpdf_lite.fit.preparation import prepare, replica_data, replica_masks
from nnpdf_lite.fit.training import Trainer
from nnpdf_lite.fit.worker import _merge
from nnpdf_lite.runcard import parse_runcard

REPLICAS = [0, 1, 2, 17]


def make_trainer(card, problem, replicas=REPLICAS, parameters=None, **keys):
    card["parameters"].update(parameters or {})
    return Trainer(prepare(problem, parse_runcard({**card, "double_precision": True, **keys}), replicas))


@pytest.fixture(scope="module")
def trainer(small_problem):
    """In double precision, with room for 300 epochs; shared, for it holds no state."""
    from toy_cards import SMALL_CARD

    return Trainer(prepare(small_problem, parse_runcard({**SMALL_CARD, "double_precision": True}), REPLICAS))


def train(trainer, state=None, replicas=REPLICAS, watch=lambda progress: None, save=lambda state: None):
    """Train to the end; returns the replicas by number."""
    state = trainer.initial_state(replicas) if state is None else state
    state = {name: values.copy() for name, values in state.items()}
    return {replica.replica: replica for replica in trainer.train(state, watch, save)}


@pytest.fixture(scope="module")
def undisturbed(trainer):
    return train(trainer)


def changing(state):
    return {k: tf.constant(v) for k, v in state.items() if k not in ("attempt", "history")}


def one_epoch(trainer, state):
    """Advance a state by one epoch."""
    multipliers = tf.constant(trainer.multipliers(state["epoch"][:, 0]))
    out = trainer._block(changing(state), trainer.inputs(state["replica"]), multipliers, tf.constant(1))
    return {**state, **{k: np.array(v) for k, v in out.items()}}


def losses(trainer, state):
    """Training, validation (per point) and violations at the present parameters, outside the training graph."""
    inputs = trainer.inputs(state["replica"])
    prefactor = trainer.on_nodes.prefactor(tf.constant(state["exponents"]))
    multipliers = tf.constant(trainer.multipliers(state["epoch"][:, 0]))
    loss, _ = trainer._loss(tf.constant(state["theta"]), prefactor, inputs, multipliers, None)
    training_chi2, validation = loss.training / inputs["n_training"], loss.validation / inputs["n_validation"]
    return training_chi2.numpy(), validation.numpy(), loss.violation.numpy()


# --- a replica is a function of runcard and number ------------------------------------------------


def test_a_replica_starts_the_same_alone_and_in_a_batch(small_card, small_problem, trainer):
    card = parse_runcard(small_card)
    assert np.array_equal(replica_data(small_problem, card, [17])[0], replica_data(small_problem, card, REPLICAS)[3])
    assert np.array_equal(replica_masks(small_problem, card, [17])[0], replica_masks(small_problem, card, REPLICAS)[3])
    alone, together = trainer.initial_state([17]), trainer.initial_state(REPLICAS)
    for name in alone:
        assert np.array_equal(alone[name][0], together[name][3], equal_nan=True), name


def test_a_replica_ends_the_same_alone_and_in_a_batch(trainer, undisturbed):
    """Bit for bit: batches are filled up so that products have the same shapes."""
    alone, together = train(trainer, replicas=[17])[17], undisturbed[17]
    assert alone.best_epoch == together.best_epoch
    assert np.array_equal(alone.parameters, together.parameters)
    assert alone.validation == together.validation


def test_replicas_differ(undisturbed):
    ends = [replica.parameters for replica in undisturbed.values()]
    assert all(np.abs(a - b).max() > 1e-3 for i, a in enumerate(ends) for b in ends[:i])


def test_replica_zero_and_fits_without_pseudodata_see_the_data(small_card, small_problem):
    card = parse_runcard(small_card)
    data = replica_data(small_problem, card, [0, 1])
    assert np.array_equal(data[0], small_problem.central) and not np.array_equal(data[1], small_problem.central)
    without = replica_data(small_problem, parse_runcard({**small_card, "genrep": False}), [0, 1, 17])
    assert (without == small_problem.central).all()


# --- multipliers, best epoch, stopping ------------------------------------------------------------


def test_multipliers_grow_geometrically_from_initial_to_maxlambda(small_card, small_problem):
    parameters = {"epochs": 17_000, "positivity": {"initial": 184.8}, "integrability": {"initial": 10.0}}
    trainer = make_trainer(small_card, small_problem, [1], parameters)
    values = trainer.multipliers(np.arange(0, 17_001, 100))
    assert values[0] == pytest.approx([184.8, 184.8, 10.0])
    assert values[-1] == pytest.approx([1e4, 1e3, 1e2])
    ratios = values[1:] / values[:-1]
    assert ratios == pytest.approx(np.broadcast_to(ratios[0], ratios.shape))
    assert trainer.multipliers(np.array([0, 99, 100]))[:, 0] == pytest.approx([184.8, 184.8, 184.8 * ratios[0, 0]])


def test_a_given_multiplier_sets_the_growth(small_card, small_problem):
    parameters = {
        "epochs": 1000,
        "positivity": {"initial": 2.0, "multiplier": 1.5},
        "integrability": {"multiplier": 1.5},
    }
    values = make_trainer(small_card, small_problem, [1], parameters).multipliers(np.array([0, 100, 1000]))
    assert values[:, 0] == pytest.approx([2.0, 3.0, 2 * 1.5**10])
    assert values[2, 2] == pytest.approx(1e2)  # no first value: the one that ends at maxlambda


def test_the_best_epoch_has_the_least_validation_chi2_among_those_that_are_positive(small_card, small_problem):
    epochs = 60
    trainer = make_trainer(small_card, small_problem, parameters={"positivity": {"initial": 1.0, "threshold": 0.1}})
    state, seen = trainer.initial_state(REPLICAS), []
    for epoch in range(epochs):
        seen.append((*losses(trainer, state), state["theta"]))
        state = one_epoch(trainer, state)
    training_chi2, validation, violation, theta = (np.array(values) for values in zip(*seen))
    passes = (violation < 0.1).all(axis=2)
    assert passes.any(axis=0).sum() >= 2 and not passes.all()
    counts = np.logical_or.accumulate(passes & (validation < trainer.card.parameters.threshold_chi2), axis=0)
    best = np.where(passes & counts, validation, np.inf).argmin(axis=0)
    for r, epoch in enumerate(best):
        if not passes[:, r].any():
            assert state["best_epoch"][r] == -1
            continue
        assert state["best_epoch"][r] == epoch
        assert state["best"][r] == pytest.approx(validation[epoch, r], rel=1e-9)
        assert state["best_training"][r] == pytest.approx(training_chi2[epoch, r], rel=1e-9)
        assert np.array_equal(state["best_theta"][r], theta[epoch, r])


def test_what_is_returned_is_the_best_epoch(trainer, undisturbed):
    for number, replica in undisturbed.items():
        state = trainer.initial_state([number])
        n = trainer.model.network.n_parameters
        state["theta"], state["exponents"] = replica.parameters[None, :n], replica.parameters[None, n:]
        training_chi2, validation, _ = losses(trainer, state)
        assert (replica.training, replica.validation) == pytest.approx((training_chi2[0], validation[0]), rel=1e-7)
        assert replica.validation <= replica.history[:, 2].min() * (1 + 1e-6)
        assert replica.passed_positivity and replica.attempts == 1


def test_a_replica_stops_when_its_patience_is_over_and_leaves_the_batch(small_card, small_problem):
    parameters = {"epochs": 1500, "stopping_patience": 0.1}
    trainer = make_trainer(small_card, small_problem, parameters=parameters)
    sizes = []
    ends = train(trainer, watch=lambda progress: sizes.append(len(progress.replicas)))
    stopped = [replica for replica in ends.values() if replica.stop_epoch < 1500]
    assert len(stopped) >= 2 and sizes == sorted(sizes, reverse=True) and sizes[-1] < len(REPLICAS)
    for replica in stopped:
        assert replica.stop_epoch - replica.best_epoch == 150 + 2  # the best epoch, 150 that count, one too many


def test_patience_counts_only_below_the_chi2_threshold(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem, parameters={"threshold_chi2": 1e-3, "stopping_patience": 0.01})
    for replica in train(trainer).values():
        assert replica.stop_epoch == 300 and not replica.passed_positivity


def test_a_replica_that_is_never_positive_runs_to_the_end_and_says_so(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem, [1, 2], {"epochs": 3, "positivity": {"threshold": 1e-6}})
    for replica in train(trainer, replicas=[1, 2]).values():
        assert not replica.passed_positivity and replica.best_epoch == replica.stop_epoch == 3
        assert np.isfinite(replica.parameters).all()


def test_training_lowers_the_chi2(undisturbed):
    for replica in undisturbed.values():
        assert replica.history[-1, 1] < replica.history[0, 1]
        assert replica.history[:, 0].tolist() == [100, 200, 300]


def test_epochs_need_not_be_a_multiple_of_a_block(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem, [1], {"epochs": 130})
    replica = train(trainer, replicas=[1])[1]
    assert replica.stop_epoch == 130 and replica.history[:, 0].tolist() == [100, 130]


# --- preprocessing, dropout -----------------------------------------------------------------------


def test_trained_exponents_move_within_their_ranges(small_card, small_problem):
    basis = [entry.model_dump() for entry in parse_runcard(small_card).fitting.basis]
    small_card["fitting"] = {"basis": [{**entry, "trainable": entry["fl"] != "g"} for entry in basis]}
    trainer = make_trainer(small_card, small_problem, [1, 2])
    state = trainer.initial_state([1, 2])
    start = np.concatenate(trainer.model.exponents(state["theta"]), axis=1)
    ranges = np.concatenate([trainer.model.alpha_range, trainer.model.beta_range])
    flavours = np.array([entry["fl"] for entry in basis] * 2)
    for replica, before in zip(train(trainer, state).values(), start):
        after = np.concatenate([v[0] for v in trainer.model.exponents(replica.parameters[None])])
        assert (after >= ranges[:, 0]).all() and (after <= ranges[:, 1]).all()
        moved = np.abs(after - before) > 1e-4
        assert moved[np.isin(flavours, ("sng", "t3", "t8", "t15"))].all()  # what these structure functions are made of
        assert not moved[flavours == "g"].any()


def test_fixed_exponents_stay_where_they_were_drawn(trainer, undisturbed):
    for number, replica in undisturbed.items():
        state = trainer.initial_state([number])
        assert np.array_equal(replica.parameters[trainer.model.network.n_parameters :], state["exponents"][0])


def test_dropout_is_a_function_of_replica_and_epoch(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem, parameters={"nodes_per_layer": [6, 400, 8], "dropout": 0.25})
    alone, together = (trainer.initial_state(replicas) for replicas in ([2], REPLICAS))
    drop = trainer._dropout(changing(together)).numpy()
    assert np.array_equal(trainer._dropout(changing(alone)).numpy()[0], drop[2])
    assert set(np.unique(drop)) == {0, 1 / 0.75}
    assert (drop == 0).mean() == pytest.approx(0.25, abs=0.04)
    assert len(np.unique(drop, axis=0)) == len(REPLICAS)
    together["epoch"] += 1
    assert not np.array_equal(trainer._dropout(changing(together)).numpy(), drop)


def test_validation_and_stopping_look_at_the_whole_network(small_card, small_problem):
    trainer = make_trainer(small_card, small_problem, [1, 2], {"dropout": 0.5})
    state = trainer.initial_state([1, 2])
    training_chi2, validation, _ = losses(trainer, state)
    after = one_epoch(trainer, state)
    assert after["training"] == pytest.approx(training_chi2) and after["validation"] == pytest.approx(validation)


# --- recovery -------------------------------------------------------------------------------------


def test_a_diverged_replica_starts_again_and_the_others_do_not_notice(trainer, undisturbed):
    state = trainer.initial_state(REPLICAS)
    state["theta"][1] = np.nan
    restarted = []
    ends = train(trainer, state, watch=lambda progress: restarted.append(progress.restarted))
    assert restarted[0] == {1: "diverged"} and not any(restarted[1:])
    for number in (0, 2, 17):
        assert np.array_equal(ends[number].parameters, undisturbed[number].parameters)
    again = ends[1]
    assert again.attempts == 2 and again.stop_epoch == 300 and np.isfinite(again.parameters).all()
    fresh = train(trainer, trainer.initial_state([1], [1]))[1]  # the second attempt, alone
    assert fresh.attempts == 2 and again.best_epoch == fresh.best_epoch
    assert again.parameters == pytest.approx(fresh.parameters, rel=1e-4, abs=1e-5)


def test_attempts_start_from_different_networks(trainer):
    first, second = trainer.initial_state([1], [0]), trainer.initial_state([1], [1])
    assert not np.array_equal(first["theta"], second["theta"])


def test_a_replica_that_always_diverges_is_given_up(small_card, small_problem):
    optimizer = {"optimizer_name": "SGD", "learning_rate": 1e300, "clipnorm": None}
    trainer = make_trainer(small_card, small_problem, [1], {"optimizer": optimizer, "positivity": {"threshold": 1e-30}})
    restarted = []
    ends = train(trainer, replicas=[1], watch=lambda progress: restarted.append(progress.restarted))
    assert restarted == [{1: "diverged"}] * MAX_ATTEMPTS + [{}]
    assert ends[1].attempts == MAX_ATTEMPTS + 1 and not ends[1].passed_positivity


# --- checkpoints ----------------------------------------------------------------------------------


def test_training_goes_on_from_any_checkpoint_to_the_same_end(trainer, undisturbed, tmp_path):
    save = Checkpoint(tmp_path / "worker_0.npz", interval=0.0)
    states = []

    def keep(state):
        save(state)
        states.append(load_checkpoint(save.path)[0])

    train(trainer, save=keep)
    assert len(states) == 3 and len(states[-1]["replica"]) == 0
    for state in states[:-1]:
        ends = train(trainer, _merge(trainer, state, REPLICAS))
        for number, replica in undisturbed.items():
            assert np.array_equal(ends[number].parameters, replica.parameters)
            assert np.array_equal(ends[number].history, replica.history)
            assert (ends[number].best_epoch, ends[number].stop_epoch) == (replica.best_epoch, replica.stop_epoch)


def test_replicas_that_no_checkpoint_holds_start_from_the_beginning(trainer, undisturbed):
    kept = []
    train(trainer, replicas=REPLICAS[:3], save=lambda state: kept.append({k: v.copy() for k, v in state.items()}))
    merged = _merge(trainer, kept[0], REPLICAS)
    assert merged["epoch"][:, 0].tolist() == [100, 100, 100, 0]
    ends = train(trainer, merged)
    assert ends[17].parameters == pytest.approx(undisturbed[17].parameters, rel=1e-4, abs=1e-5)


def test_a_checkpoint_of_another_network_is_not_used(trainer, small_card, small_problem):
    other = make_trainer(small_card, small_problem, parameters={"nodes_per_layer": [4, 4, 8]})
    merged = _merge(trainer, other.initial_state(REPLICAS), REPLICAS)
    assert np.array_equal(merged["theta"], trainer.initial_state(REPLICAS)["theta"])


def damage(path, how):
    whole = path.read_bytes()
    path.write_bytes(
        {"truncated": whole[: len(whole) // 2], "empty": b"", "scrambled": whole[:200] + bytes(len(whole) - 200)}[how]
    )


@pytest.mark.parametrize("how", ["truncated", "empty", "scrambled"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, how):
    path = tmp_path / "worker_0.npz"
    save = Checkpoint(path, interval=0.0)
    for epoch in (100, 200):
        save({"epoch": np.full((500, 1), epoch)})
    damage(path, how)
    state, warning = load_checkpoint(path)
    assert (state["epoch"] == 100).all() and str(path) in warning
    damage(previous(path), how)
    state, warning = load_checkpoint(path)
    assert state is None and warning


def test_no_checkpoint_is_no_warning(tmp_path):
    assert load_checkpoint(tmp_path / "worker_0.npz") == (None, "")


def test_checkpoints_wait_for_their_interval(tmp_path):
    save = Checkpoint(tmp_path / "worker_0.npz", interval=3600.0)
    save({"epoch": np.zeros(1)})
    assert not list(tmp_path.iterdir())


def test_a_block_is_a_hundred_epochs():
    assert Trainer.block == 100  # what n3fit raises multipliers by, and runcards are tuned to
