"""Muon for the matrices of the blocks, AdamW for the embedding and the norms."""

import torch
from torch import Tensor, distributed

from benchmarks.pocket_recipe.model import PocketModel

# Newton-Schulz coefficients of Muon (Jordan et al. 2024): singular values end between 0.7 and 1.2. The
# sharper ones of Polar Express blew up in bf16 on gradients of nearly one rank.
_A, _B, _C, _STEPS = 3.4445, -4.7750, 2.0315, 5


def orthogonal(matrices: Tensor) -> Tensor:
    """Return the nearest semi-orthogonal matrices of a stack [n, rows, columns], roughly."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(_STEPS):
        gram = x @ x.transpose(1, 2)
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    result: Tensor = (x.transpose(1, 2) if tall else x).float()
    return result


class Optimiser:
    """Both optimisers under one learning rate: for Muon it is the spectral norm of a step."""

    def __init__(self, model: PocketModel, rank: int = 0, processes: int = 1) -> None:
        groups: dict[tuple[int, ...], list[Tensor]] = {}
        for block in model.blocks:
            for parameter in block.parameters():
                if parameter.ndim == 2:
                    groups.setdefault(tuple(parameter.shape), []).append(parameter)
        self.groups = list(groups.values())
        self.momenta = [torch.zeros_like(torch.stack([p.detach() for p in group])) for group in self.groups]
        norms = [p for p in model.parameters() if p.ndim == 1]
        self.rest = [*norms, model.embed_tokens]
        # The last norm begins at 0.06 and sets the scale of all logits: at the full rate it runs away at once.
        self.factors = (0.05, 0.5)
        adam_groups = [{"params": norms}, {"params": [model.embed_tokens]}]
        self.adam = torch.optim.AdamW(adam_groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-9, weight_decay=0.0)
        self.rank, self.processes = rank, processes

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Apply the gradients, averaged over the processes, at a learning rate and clear them."""
        stacks = [torch.stack([_gradient(p) for p in group]) for group in self.groups]
        others = [_gradient(p) for p in self.rest]
        self._average([*stacks, *others])
        for rest, other in zip(self.rest, others, strict=True):
            rest.grad = other
        for group, momentum, gradient in zip(self.groups, self.momenta, stacks, strict=True):
            momentum.lerp_(gradient, 0.05)
            update = self._orthogonal(gradient.lerp_(momentum, 0.95))  # Nesterov's look ahead
            size = max(1.0, update.shape[1] / update.shape[2]) ** 0.5 * rate
            for parameter, change in zip(group, update, strict=True):
                parameter.add_(change, alpha=-size)
                parameter.grad = None
        for settings, factor in zip(self.adam.param_groups, self.factors, strict=True):
            settings["lr"] = rate * factor
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def _average(self, tensors: list[Tensor]) -> None:
        if self.processes == 1:
            return
        flat = torch.cat([t.flatten() for t in tensors]) / self.processes
        distributed.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def _orthogonal(self, stack: Tensor) -> Tensor:
        """Return the orthogonalised stack, each process having done its share of it."""
        if self.processes == 1 or len(stack) % self.processes:
            return orthogonal(stack)
        parts = [torch.empty_like(part) for part in stack.chunk(self.processes)]
        distributed.all_gather(parts, orthogonal(stack.chunk(self.processes)[self.rank]).contiguous())
        return torch.cat(parts)

    def state_dict(self) -> dict[str, object]:
        """Return what resuming needs."""
        return {"momenta": self.momenta, "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Take over a state."""
        self.momenta = state["momenta"]  # type: ignore[assignment]
        self.adam.load_state_dict(state["adam"])  # type: ignore[arg-type]


def _gradient(parameter: Tensor) -> Tensor:
    return parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
