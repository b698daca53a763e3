"""One step of training on each backend of Keras: gradients, AdamW, and an average of the weights.

A trainer has `send(images, labels, frames)`, which begins to copy a batch to the device;
`step(batch, rate, guide)`, which returns the loss as a tensor that need not be computed yet;
`predict(images)`, which returns logits; and `sync()`, after which the variables of the model, the
optimizer and `averages` hold what was trained.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
from drawing import PADDING

from mltu.losses import CTCLoss, label_lengths
from mltu.models import use_native_layers

NOT_DECAYED = "bias", "beta", "gamma"  # variables that end so


class Trainer:
    """What the backends share; `make_trainer` chooses one.

    Args:
        model: from images to logits.
        momentum: of the average of the weights, per step; less at first.
    """

    def __init__(self, model, momentum=0.9995):
        use_native_layers(model)
        self.model = model
        self.optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.01, global_clipnorm=2.0)
        self.optimizer.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
        self.optimizer.build(model.trainable_variables)
        # Copies: on PyTorch a variable made of another one would share its memory.
        self.averages = [
            keras.Variable(np.array(keras.ops.convert_to_numpy(v)), trainable=False)
            for v in model.trainable_variables
        ]
        self._num_steps = 0
        self._ctc = CTCLoss(from_logits=True, reduction="none")
        self.momentum = momentum

    def loss(self, labels, frames, logits, guide):
        """Return the CTC loss in nats per character, and with it what is minimized.

        That is the CTC loss plus `guide` times the cross-entropy of the frames, also per character.
        Where the letters are is all that CTC has to find out at first; the renderer knows it.
        """
        ops = keras.ops
        lengths = label_lengths(labels, logits.shape[-1] - 1)
        num_characters = ops.sum(ops.cast(lengths, "float32"))
        ctc = ops.sum(self._ctc(labels, logits)) / num_characters
        guided = keras.losses.sparse_categorical_crossentropy(frames, logits, from_logits=True)
        return ctc, ctc + guide * ops.sum(guided) / num_characters

    def prepare(self, shapes):
        """Compile for the shapes of batches, those of images, labels and frames."""

    def send(self, images, labels, frames):
        """Return a batch as `step` takes it; called by another thread than `step`.

        Args:
            images: uint8 (batch, height, width, channels).
            labels: (batch, length), padded with the blank.
            frames: the class of each time step, (batch, steps).
        """
        return images, labels.astype(np.int32), frames.astype(np.int32)

    def vary(self, batch, rng):
        """Return a batch in other colours: channels swapped, or dark for bright."""
        images, *targets = batch
        images = keras.ops.take(images, rng.permutation(images.shape[-1]), axis=-1)
        return (255 - images if rng.random() < 0.5 else images), *targets

    def step(self, batch, rate, guide=0.0):
        """Train on a batch and return its CTC loss per character."""
        raise NotImplementedError

    def predict(self, images):
        """Return the logits of a batch, computed from the variables of the model."""
        return keras.ops.convert_to_numpy(self.model(images.astype("float32"), training=False))

    def sync(self):
        """Bring what was trained into the variables."""

    def load(self):
        """Take what was put into the variables."""
        self._num_steps = int(self.optimizer.iterations)

    def _new_share(self, num_steps=1):
        """Return what the newest weights count in the average after some more steps."""
        self._num_steps += num_steps
        early = 10 / (10 + self._num_steps)
        return np.float32(1 - min(self.momentum, 1 - early) ** num_steps)

    def _average(self, share):
        for average, variable in zip(self.averages, self.model.trainable_variables, strict=True):
            average.assign(average + (keras.ops.cast(variable, "float32") - average) * share)


class TensorFlowTrainer(Trainer):
    """A graph that knows neither the batch nor the width."""

    def __init__(self, model, **options):
        import tensorflow as tf

        super().__init__(model, **options)
        image = tf.TensorSpec([None, model.inputs[0].shape[1], None, model.inputs[0].shape[3]],
                              tf.uint8)  # fmt: skip
        label = tf.TensorSpec([None, None], tf.int32)

        number = tf.TensorSpec([], tf.float32)

        @tf.function(input_signature=[image, label, label, number, number, number])
        def step(images, labels, frames, guide, rate, share):
            variables = model.trainable_variables
            with tf.GradientTape() as tape:
                logits = model(tf.cast(images, tf.float32), training=True)
                loss, total = self.loss(labels, frames, logits, guide)
            gradients = tape.gradient(total, [v.value for v in variables])
            self.optimizer.learning_rate.assign(rate)
            self.optimizer.apply(gradients, variables)
            self._average(share)
            return loss

        @tf.function(input_signature=[image])
        def predict(images):
            return model(tf.cast(images, tf.float32), training=False)

        self._step, self._predict = step, predict

    def step(self, batch, rate, guide=0.0):
        return self._step(*batch, np.float32(guide), np.float32(rate), self._new_share())

    def predict(self, images):
        return self._predict(images).numpy()


class TorchTrainer(Trainer):
    """Operations one by one; on a GPU they are queued while Python goes on.

    The network, the loss and AdamW are PyTorch's own, of the variables of the model and of the
    optimizer, and compute what those of Keras do.
    """

    AVERAGE_EVERY = 10  # steps

    def __init__(self, model, **options):
        import torch
        from torch_network import TorchNetwork, arrange

        super().__init__(model, **options)
        self._torch, self._count, self._applied = torch, 0, 0
        arrange([*model.trainable_variables, *self.optimizer.variables, *self.averages])
        self._network = TorchNetwork(model)
        self._values = [variable.value for variable in model.trainable_variables]
        self._device = self._values[0].device
        self._adamw = self._native_optimizer()
        if self._device.type == "cuda":
            # No cudnn.benchmark: it would try all algorithms for each convolution of each width.
            torch.set_float32_matmul_precision("high")

    def send(self, images, labels, frames):
        lengths = np.count_nonzero(labels < self.model.output_shape[-1] - 1, axis=1)
        sent = [self._send(x) for x in super().send(images, labels, frames)]
        return *sent, self._torch.from_numpy(lengths)  # which CTC needs on the CPU

    def vary(self, batch, rng):
        """Return a batch with other colours, height, slope, sharpness and noise.

        Columns keep their place, since the frames have theirs.
        """
        torch, functional = self._torch, self._torch.nn.functional
        images, *targets = batch
        count, height, width, channels = images.shape
        padding = (images == PADDING).all(dim=3, keepdim=True).all(dim=1, keepdim=True)
        x = images.flip(3) if rng.random() < 0.5 else images
        x = x.roll(int(rng.integers(channels)), 3).permute(0, 3, 1, 2).float()

        def random(low, high):
            values = torch.rand(count, 1, 1, device=x.device)
            return low + (high - low) * values

        rows = torch.linspace(-1, 1, height, device=x.device)[:, None]
        columns = torch.linspace(-1, 1, width, device=x.device)
        moved = rows * random(0.85, 1.15) + columns * random(-0.12, 0.12) + random(-0.08, 0.08)
        grid = torch.stack([columns.expand_as(moved), moved], dim=-1)
        x = functional.grid_sample(x, grid, padding_mode="border", align_corners=True)
        soft = random(-0.15, 0.2)[:, None]
        wide = functional.pad(x, (1, 1, 0, 0), mode="replicate")
        x = x + soft * ((wide[..., :-2] + wide[..., 2:]) / 2 - x)
        x = (x - 127.5) * random(0.6, 1.2)[:, None] + 127.5 + random(-25, 25)[:, None]
        x = x + torch.randn_like(x) * random(0, 8)[:, None]
        x = (255 - x if rng.random() < 0.5 else x).clamp(0, 255).byte().permute(0, 2, 3, 1)
        return torch.where(padding, PADDING, x), *targets

    def step(self, batch, rate, guide=0.0):
        torch = self._torch
        images, labels, frames, lengths = batch
        logits = self._network(images)
        loss, total = self._native_loss(labels, frames, lengths, logits, guide)
        gradients = torch.autograd.grad(total, self._values)
        self._count += 1
        with torch.no_grad():
            self._apply(gradients, rate)
            if self._count % self.AVERAGE_EVERY == 0:
                share = float(self._new_share(self.AVERAGE_EVERY))
                torch._foreach_lerp_([a.value for a in self.averages], self._values, share)
        return loss.detach()

    def load(self):
        super().load()
        self._applied = self._num_steps
        for state in self._adamw.state.values():
            state["step"].fill_(self._num_steps)

    def predict(self, images):
        with self._torch.no_grad():
            return self.model(self._send(images).float(), training=False).cpu().numpy()

    def _native_loss(self, labels, frames, lengths, logits, guide):
        """Return what `loss` does; labels have no more characters than fit into the steps."""
        functional = self._torch.nn.functional
        batch, steps, classes = logits.shape
        scores = logits.log_softmax(dim=-1)
        ctc = functional.ctc_loss(
            scores.transpose(0, 1), labels, self._torch.full((batch,), steps), lengths,
            blank=classes - 1, reduction="sum", zero_infinity=True,
        )  # fmt: skip
        guided = functional.nll_loss(scores.flatten(0, 1), frames.flatten().long(), reduction="sum")
        num_characters = int(lengths.sum())
        return ctc / num_characters, (ctc + guide * guided) / num_characters

    def _native_optimizer(self):
        """Return a fused AdamW which keeps its state in the variables of Keras's."""
        torch, keras_own = self._torch, self.optimizer
        variables = self.model.trainable_variables
        decayed = [not v.name.endswith(NOT_DECAYED) for v in variables]
        groups = [
            {"params": [x for x, d in zip(self._values, decayed, strict=True) if d == kind],
             "weight_decay": keras_own.weight_decay * kind}
            for kind in (True, False)
        ]  # fmt: skip
        betas = keras_own.beta_1, keras_own.beta_2
        adamw = torch.optim.AdamW(groups, betas=betas, fused=True)
        for value, first, second in zip(
            self._values, keras_own._momentums, keras_own._velocities, strict=True
        ):
            step = torch.zeros((), dtype=torch.float32, device=self._device)
            adamw.state[value] = {"step": step, "exp_avg": first.value, "exp_avg_sq": second.value}
        return adamw

    def _apply(self, gradients, rate):
        torch, optimizer = self._torch, self.optimizer
        limit = optimizer.global_clipnorm
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        torch._foreach_mul_(gradients, limit / norm.clamp(min=limit))
        for value, gradient in zip(self._values, gradients, strict=True):
            # The fused kernel does not look at strides.
            same = gradient.stride() == value.stride()
            value.grad = gradient if same else torch.empty_like(value).copy_(gradient)
        optimizer.learning_rate = rate
        optimizer.iterations.assign_add(1)
        self._applied += 1
        for group in self._adamw.param_groups:
            group["lr"] = rate
            # Keras adds epsilon before it corrects the bias of the variance.
            group["eps"] = optimizer.epsilon / math.sqrt(1 - optimizer.beta_2**self._applied)
        self._adamw.step()

    def _send(self, array):
        tensor = self._torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)


class JaxTrainer(Trainer):
    """One compiled program for each shape; the state stays on the device."""

    def __init__(self, model, **options):
        import jax

        super().__init__(model, **options)
        self.load()

        def loss_of(trainable, others, images, labels, frames, guide):
            logits, others = model.stateless_call(
                trainable, others, images.astype("float32"), training=True
            )
            loss, total = self.loss(labels, frames, logits, guide)
            return total, (loss, others)

        rate_at = next(
            i for i, v in enumerate(self.optimizer.variables) if v is self.optimizer._learning_rate
        )

        def step(state, images, labels, frames, guide, rate, share):
            trainable, others, slots, averages = state
            (_, (loss, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
                trainable, others, images, labels, frames, guide
            )
            slots = [rate if i == rate_at else slot for i, slot in enumerate(slots)]
            trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
            averages = [
                a + (t.astype("float32") - a) * share
                for a, t in zip(averages, trainable, strict=True)
            ]
            return (trainable, others, slots, averages), loss

        self._step, self._compiled = jax.jit(step, donate_argnums=0), {}
        self._call = jax.jit(
            lambda trainable, others, images: model.stateless_call(
                trainable, others, images.astype("float32"), training=False
            )[0]
        )

    def prepare(self, shapes):
        import jax

        def compile_for(image_shape, *target_shapes):
            images = jax.ShapeDtypeStruct(image_shape, np.uint8)
            targets = [jax.ShapeDtypeStruct(shape, np.int32) for shape in target_shapes]
            number = jax.ShapeDtypeStruct((), np.float32)
            self._compiled[image_shape] = self._step.lower(
                self._state, images, *targets, number, number, number
            ).compile()

        with ThreadPoolExecutor() as pool:
            list(pool.map(compile_for, *zip(*shapes, strict=True)))

    def send(self, images, labels, frames):
        import jax

        return jax.device_put(super().send(images, labels, frames))

    def step(self, batch, rate, guide=0.0):
        step = self._compiled.get(batch[0].shape, self._step)
        numbers = np.float32(guide), np.float32(rate), self._new_share()
        self._state, loss = step(self._state, *batch, *numbers)
        return loss

    def predict(self, images):
        values = [
            [v.value for v in group]
            for group in (self.model.trainable_variables, self.model.non_trainable_variables)
        ]
        return np.asarray(self._call(*values, images))

    def sync(self):
        for group, values in zip(self._groups(), self._state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)

    def load(self):
        import jax.numpy as jnp

        super().load()
        # Copies, since a step gives the memory of its state away.
        self._state = tuple([jnp.array(v.value) for v in group] for group in self._groups())

    def _groups(self):
        model = self.model
        return (
            model.trainable_variables,
            model.non_trainable_variables,
            self.optimizer.variables,
            self.averages,
        )


def make_trainer(model, **options):
    """Return the trainer of the backend that Keras runs on."""
    kinds = {"tensorflow": TensorFlowTrainer, "torch": TorchTrainer, "jax": JaxTrainer}
    return kinds[keras.backend.backend()](model, **options)
