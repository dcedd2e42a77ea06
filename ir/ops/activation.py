"""Elementwise activations. Softmax and its kin are in ``softmax.py``."""

from __future__ import annotations

from edgec.ir.dims import could_equal
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import broadcast, require_family, same_dtype
from edgec.ir.sampling import FLOATS, SIGNED, Sampler
from edgec.ir.traits import Elementwise, Idempotent, Monotone
from edgec.ir.value import Value


class Activation(Op):
    """Base of the elementwise activations: the result has the type of x."""

    x: Value = operand()

    def infer(self) -> Types:
        require_family(self.x, ("float",))
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        """Attributes that are numbers are drawn from 0.1…2."""
        names = [n for n, spec in cls.attribute_specs.items() if spec.annotation == "float"]
        given = {name: draw.integer(1, 20) / 10 for name in names if draw.chance()}
        return cls(draw.value(draw.choice(FLOATS), draw.shape(draw.integer(0, 4))), **given)


class Relu(Activation, name="act.relu", traits=(Elementwise, Idempotent, Monotone)):
    """y = max(x, 0)"""

    def infer(self) -> Types:
        require_family(self.x, ("float", "int"))
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(draw.value(draw.choice(SIGNED), draw.shape(draw.integer(0, 4))))


class LeakyRelu(Activation, name="act.leaky_relu", traits=(Elementwise,)):
    """y = x where x >= 0, else alpha * x"""

    alpha: float = attr(default=0.01)


class PRelu(Op, name="act.prelu", traits=(Elementwise,)):
    """y = x where x >= 0, else slope * x; slope broadcasts to x"""

    x: Value = operand()
    slope: Value = operand()

    def infer(self) -> Types:
        same_dtype(self.x, self.slope)
        require_family(self.x, ("float", "int", "uint"))
        dims = broadcast(self.x.type, self.slope.type)
        own = self.x.type.dims
        if len(dims) != len(own) or not all(map(could_equal, dims, own)):
            raise OpError(f"slope {self.slope.type} does not broadcast to x {self.x.type}")
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(0, 4))
        slope = tuple(dim if draw.chance(0.7) else 1 for dim in dims)[draw.integer(0, len(dims)) :]
        dtype = draw.choice(SIGNED)
        return cls(draw.value(dtype, dims), draw.value(dtype, slope))


class Elu(Activation, name="act.elu", traits=(Elementwise,)):
    """y = x where x > 0, else alpha * (e**x - 1)"""

    alpha: float = attr(default=1.0)


class Selu(Activation, name="act.selu", traits=(Elementwise,)):
    """y = gamma * x where x > 0, else gamma * alpha * (e**x - 1)  (Klambauer et al., 2017)"""

    alpha: float = attr(default=1.67326319217681884765625)
    gamma: float = attr(default=1.05070102214813232421875)


class Celu(Activation, name="act.celu", traits=(Elementwise,)):
    """y = x where x > 0, else alpha * (e**(x / alpha) - 1)"""

    alpha: float = attr(default=1.0)


class Sigmoid(Activation, name="act.sigmoid", traits=(Elementwise, Monotone)):
    """y = 1 / (1 + e**-x)"""


class Tanh(Activation, name="act.tanh", traits=(Elementwise, Monotone)):
    """y = (e**x - e**-x) / (e**x + e**-x)"""


class HardSigmoid(Activation, name="act.hard_sigmoid", traits=(Elementwise,)):
    """y = min(max(alpha * x + beta, 0), 1)"""

    alpha: float = attr(default=0.2)
    beta: float = attr(default=0.5)


class HardSwish(Activation, name="act.hard_swish", traits=(Elementwise,)):
    """y = x * min(max(x / 6 + 1/2, 0), 1)  (Howard et al., "Searching for MobileNetV3", 2019)"""


class Softplus(Activation, name="act.softplus", traits=(Elementwise, Monotone)):
    """y = log(1 + e**x)"""


class Softsign(Activation, name="act.softsign", traits=(Elementwise, Monotone)):
    """y = x / (1 + |x|)"""


class Gelu(Activation, name="act.gelu", traits=(Elementwise,)):
    """y = x * (1 + erf(x / sqrt 2)) / 2, or with ``approximate`` = "tanh"
    x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2  (Hendrycks and Gimpel, 2016)"""

    approximate: str = attr(default="none")

    def check(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise OpError(f"approximate is 'none' or 'tanh', found {self.approximate!r}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x = draw.value(draw.choice(FLOATS), draw.shape(draw.integer(0, 4)))
        return cls(x, approximate=draw.choice(("none", "tanh")))


class Silu(Activation, name="act.silu", traits=(Elementwise,)):
    """y = x / (1 + e**(-alpha * x))"""

    alpha: float = attr(default=1.0)


class Mish(Activation, name="act.mish", traits=(Elementwise,)):
    """y = x * tanh(log(1 + e**x))"""


class ThresholdedRelu(Activation, name="act.thresholded_relu", traits=(Elementwise,)):
    """y = x where x > alpha, else 0"""

    alpha: float = attr(default=1.0)


class Shrink(Activation, name="act.shrink", traits=(Elementwise,)):
    """y = x + bias where x < -lambd, x - bias where x > lambd, else 0"""

    bias: float = attr(default=0.0)
    lambd: float = attr(default=0.5)

    def infer(self) -> Types:
        require_family(self.x, ("float", "int", "uint"))
        return (self.x.type,)
