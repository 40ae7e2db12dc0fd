"""Tables cut in two, each half on a server of its own: matrix factorisation with tf.distribute.ParameterServerStrategy.

A demonstration for 13_scale: it starts two servers and one worker in this process, is itself the coordinator, trains
on MovieLens-100K, prints where the tables are, and how the loss falls. All that they say to each other goes over the
network, as between machines; only the start of three more programs is saved. TensorFlow's servers listen on every
interface and ask for no password, so all of it runs in a network of its own. Where the machine gives none,
`--trusted-network` allows it.
"""

import json
import os
import sys

os.environ.pop("TF_NUM_INTEROP_THREADS", None)  # with one such thread a server blocks its own work

import movierec
from movierec.data import make_indices
from movierec.keras2 import tf
from movierec.training import free_ports, isolation

DIM, BATCH, STEPS, EPOCHS = 32, 1024, 80, 4
RATE = 0.1  # of Adagrad, which moves only the rows of the batch


def start_cluster() -> list:
    """Start two servers and a worker, say by TF_CONFIG where they are, and return them: they end with this process."""
    chief, worker, *servers = (f"127.0.0.1:{port}" for port in free_ports(4))
    cluster = {"chief": [chief], "worker": [worker], "ps": servers}
    started = [
        tf.distribute.Server(tf.train.ClusterSpec(cluster), kind, number, protocol="grpc")
        for kind, number in (("ps", 0), ("ps", 1), ("worker", 0))
    ]
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}})
    return started


class Factorisation(tf.keras.Model):
    """r̂ = μ + ⟨p_u, q_i⟩ + b_u + b_i, with the biases as one more column of the tables."""

    def __init__(self, num_users: int, num_movies: int, mean: float):
        super().__init__()
        self.mean = mean
        small = tf.keras.initializers.RandomNormal(stddev=0.05)
        self.p = self.add_weight("p", (num_users, DIM + 1), initializer=small)
        self.q = self.add_weight("q", (num_movies, DIM + 1), initializer=small)

    def call(self, pairs):
        """Return stars `[batch]` for user and movie indices `[batch, 2]`."""
        p, q = tf.nn.embedding_lookup(self.p, pairs[:, 0]), tf.nn.embedding_lookup(self.q, pairs[:, 1])
        return self.mean + tf.reduce_sum(p[:, 1:] * q[:, 1:], axis=1) + p[:, 0] + q[:, 0]


def train() -> None:
    """Train, and print the shards and the RMSE of each epoch."""
    train = movierec.split_by_user_time(movierec.load("ml-100k").ratings).train
    indices = make_indices(train)
    pairs = tf.stack([indices.user_index(train["user_id"]), indices.movie_index(train["movie_id"])], axis=1).numpy()
    stars = train["rating"].to_numpy()

    def batches(context):
        rows = tf.data.Dataset.from_tensor_slices((pairs, stars)).shuffle(len(stars), seed=0)
        return rows.repeat().batch(BATCH, drop_remainder=True).prefetch(2)

    halves = tf.distribute.experimental.partitioners.MinSizePartitioner(min_shard_bytes=64 << 10, max_shards=2)
    place = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    strategy = tf.distribute.ParameterServerStrategy(place, variable_partitioner=halves)
    with strategy.scope():
        model = Factorisation(indices.num_users, indices.num_movies, float(stars.mean()))
        model.compile(tf.keras.optimizers.legacy.Adagrad(RATE), "mse")
    for name in ("p", "q"):
        for shard in getattr(model, name).variables:
            server = tf.DeviceSpec.from_string(shard.device).task
            print(f"{name}: {shard.shape[0]} rows on server {server}")
    data = tf.keras.utils.experimental.DatasetCreator(batches)
    losses = model.fit(data, epochs=EPOCHS, steps_per_epoch=STEPS, verbose=0).history["loss"]
    print("RMSE on train:", " ".join(f"{loss**0.5:.2f}" for loss in losses))


if __name__ == "__main__":
    movierec.load("ml-100k")  # fetched here: a network of their own does not reach the internet
    isolation.isolate_this_program(trusted_network="--trusted-network" in sys.argv)
    servers = start_cluster()
    train()
    sys.stdout.flush()
    os._exit(0)  # the servers' threads would wait for work for ever
