"""Adversarial patches, location and content, float64 -> data/patch.json.

2 x 8 x 8 -> 8 tanh -> 4, six images. The loop is that of Rao et al. (arXiv 2005.02313, section 3,
algorithm 1), one image after the other: pixels of the patch move along the sign of the loss's
gradient, then the patch tries to lie `stride` pixels farther, in all directions or in a drawn one,
and goes where the loss is largest, if that is more than before the step. Starts and drawn
directions come from the library's keyed stream.

As in the library a move ends at the border of the image, and the result is what has the largest
margin of all that was tried, of equals the one with the larger loss.
"""

import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor
from philox import Key, uniform

EXAMPLES, CHANNELS, SIZE, HIDDEN, CLASSES = 6, 2, 8, 8, 4
INPUTS = CHANNELS * SIZE * SIZE
KEY = 1
DIRECTIONS = ((0, -1), (0, 1), (-1, 0), (1, 0))


def values():
    made = {
        "w1": 0.1 * hash_normal(141, HIDDEN * INPUTS),
        "b1": 0.1 * hash_normal(142, HIDDEN),
        "w2": 1.5 * hash_normal(143, CLASSES * HIDDEN),
        "b2": 0.1 * hash_normal(144, CLASSES),
        "x": hash_uniform(145, EXAMPLES * INPUTS),
    }
    batch = (EXAMPLES, CHANNELS, SIZE, SIZE)
    shapes = {"w1": (HIDDEN, INPUTS), "b1": (HIDDEN,), "w2": (CLASSES, HIDDEN), "b2": (CLASSES,)}
    shapes["x"] = batch
    return {name: tensor(v, shapes[name], torch.float64) for name, v in made.items()}


V = values()


def network(x):
    return F.linear(torch.tanh(F.linear(x.flatten(1), V["w1"], V["b1"])), V["w2"], V["b2"])


def draws(key, example, n):
    """The example's n uniform values of the stream, behind those of the examples before it."""
    return torch.from_numpy(uniform(key, (example + 1) * n)[example * n:].copy())


class Attack:
    def __init__(self, example, label, case):
        self.x, self.example = V["x"][example:example + 1], example
        self.side, self.epsilon, self.step = case["side"], case["epsilon"], case["step"]
        self.stride, self.period, self.search = case["stride"], case["period"], case["search"]
        self.loss, target = case["loss"], case["target"]
        self.aim = torch.tensor([label if target is None else target])
        self.sign = 1.0 if target is None else -1.0
        self.best, self.found, self.moves = (-float("inf"), 0.0), self.x, 0

    def margin(self, logits):
        others = logits.clone()
        others[0, self.aim] = -float("inf")
        return self.sign * (others.max() - logits[0, self.aim[0]])

    def climbed(self, x):
        logits = network(x)
        if self.loss == "margin":
            return self.margin(logits)
        return self.sign * F.cross_entropy(logits, self.aim)

    def square(self, place):
        row, column = place
        whole = slice(None)
        return (whole, whole, slice(row, row + self.side), slice(column, column + self.side))

    def show(self, place, content):
        own = self.x[self.square(place)]
        low, high = own - self.epsilon, own + self.epsilon
        content = torch.minimum(torch.maximum(content, low), high).clamp(0, 1)
        image = self.x.clone()
        image[self.square(place)] = content
        with torch.no_grad():
            merit = (self.margin(network(image)).item(), self.climbed(image).item())
        if merit > self.best:
            self.best, self.found = merit, image
        return place, content, image, merit[1]

    def start(self, key):
        room = SIZE - self.side + 1
        place = tuple(int(v * room) for v in draws(key.named("place"), self.example, 2))
        u = draws(key.named("content"), self.example, CHANNELS * self.side**2)
        own = self.x[self.square(place)]
        low, high = (own - self.epsilon).clamp(0, 1), (own + self.epsilon).clamp(0, 1)
        return self.show(place, low + u.reshape(low.shape) * (high - low))

    def directions(self, key):
        if self.search == "random":
            return [DIRECTIONS[int(4 * draws(key.named("move"), self.example, 1)[0])]]
        return DIRECTIONS if self.search == "full" else []

    def run(self, key, steps, stop):
        at = self.start(key)
        for step in range(steps):
            if stop and self.best[0] > 0:
                break
            place, content, image, before = at
            leaf = image.clone().requires_grad_()
            slope = torch.autograd.grad(self.climbed(leaf), leaf)[0][self.square(place)]
            content = content + self.step * slope.sign()
            at = self.show(place, content)
            if (step + 1) % self.period:
                continue
            room = SIZE - self.side
            for down, right in self.directions(key.child(step)):
                moved = (place[0] + down * self.stride, place[1] + right * self.stride)
                tried = self.show(tuple(min(max(v, 0), room) for v in moved), content)
                if tried[3] > before:
                    at, before = tried, tried[3]
            self.moves += at[0] != place


USUAL = {
    "loss": "cross_entropy", "target": None, "restarts": 1, "epsilon": 1.0, "stop": True,
    "period": 1,
}


def run(labels, **settings):
    case, found, moves, reached = {**USUAL, **settings}, [], 0, 0
    for example in range(EXAMPLES):
        attack = Attack(example, labels[example], case)
        for restart in range(case["restarts"]):
            if not (case["stop"] and attack.best[0] > 0):
                attack.run(Key.new(KEY).child(restart), case["steps"], case["stop"])
        found.append(attack.found)
        moves += attack.moves
        reached += attack.best[0] > 0
    print(case["name"], "moves", moves, "reached", reached)
    return {**case, "moves": moves, "reached": int(reached), "images": numbers(torch.cat(found))}


def main():
    labels = network(V["x"]).argmax(1).tolist()
    full, margin = {"search": "full"}, {"loss": "margin"}
    cases = [
        run(labels, name="full", side=2, steps=20, step=0.05, stride=1, **full),
        run(labels, name="full_on", side=2, steps=12, step=0.1, stride=2, **full, stop=False),
        run(labels, name="random", side=2, steps=30, step=0.05, stride=2, period=2,
            search="random", **margin),
        run(labels, name="none", side=2, steps=15, step=0.1, stride=1, search="none", restarts=2),
        run(labels, name="targeted", side=3, steps=21, step=0.1, stride=2, period=3, **full,
            target=0, restarts=2),
        run(labels, name="bounded", side=3, steps=15, step=0.05, stride=1, **full, **margin,
            epsilon=0.25, stop=False),
    ]
    # Else moves, early stops and restarts say nothing.
    assert all(case["moves"] > 0 for case in cases if case["search"] != "none")
    assert all(0 < case["reached"] < EXAMPLES for case in cases)
    save("patch.json", {
        "values": {name: {"shape": list(t.shape), "data": numbers(t)} for name, t in V.items()},
        "key": KEY,
        "labels": labels,
        "cases": cases,
    })


if __name__ == "__main__":
    main()
