"""The two recurrent decoders: Bahdanau's, which looks before it moves, and Luong's, which moves and then looks."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.architectures.alignment import AdditiveAttention, MultiplicativeAttention
from model.architectures.configuration import RecurrentSearchConfig

State = tuple[Tensor, Tensor]  # hidden state and, of an LSTM, memory cell [batch, d_hidden]; of a GRU twice the state


class RecurrentCell(nn.Module):
    """One step of a gated recurrent unit (Cho et al. 2014) or of an LSTM (Hochreiter & Schmidhuber 1997)."""

    def __init__(self, kind: str, width: int, d_hidden: int):
        super().__init__()
        self.lstm = kind == "lstm"
        self.step = (nn.LSTMCell if self.lstm else nn.GRUCell)(width, d_hidden)

    def forward(self, entering: Float[Tensor, "batch width"], state: State) -> State:
        """Return the next state."""
        if self.lstm:
            return self.step(entering, state)
        hidden = self.step(entering, state[0])
        return hidden, hidden


class SearchDecoder(nn.Module):
    """Bahdanau et al. 2014, appendix A.2.2: s_i = f(s_{i-1}, y_{i-1}, c_i), c_i = sum_j alpha_ij h_j (eq. 5).

    The output is its maxout layer: t_i = max over pairs of U_o s_{i-1} + V_o E y_{i-1} + C_o c_i.
    """

    def __init__(self, config: RecurrentSearchConfig):
        super().__init__()
        annotation = 2 * config.d_direction
        self.attention = AdditiveAttention(config)
        self.cell = RecurrentCell(config.cell, config.d_embedding + annotation, config.d_hidden)
        width = config.d_hidden + config.d_embedding + annotation
        self.output = nn.Linear(width, 2 * config.d_output)  # U_o, V_o and C_o side by side

    def forward(
        self, embedded: Float[Tensor, "batch target d_embedding"], state: State,
        annotations: Float[Tensor, "batch source annotation"], mask: Tensor | None,
    ) -> tuple[Tensor, Tensor, list[State]]:  # fmt: skip
        """Return the outputs [batch, target, d_output], the alignment [batch, target, source], the state after each step."""
        keys, states, before, contexts, alignment = self.attention.keys(annotations), [], [], [], []
        for entering in embedded.unbind(1):
            weights = self.attention(state[0][:, None], keys, mask)
            context = torch.matmul(weights.to(annotations.dtype), annotations).squeeze(1)
            before.append(state[0])
            state = self.cell(torch.cat((entering, context), dim=-1), state)
            contexts.append(context)
            alignment.append(weights)
            states.append(state)
        read = torch.cat((torch.stack(before, 1), embedded, torch.stack(contexts, 1)), dim=-1)
        return self.output(read).unflatten(-1, (-1, 2)).amax(dim=-1), torch.cat(alignment, dim=1), states


class GlobalDecoder(nn.Module):
    """Luong et al. 2015, sections 2 and 3.1, without input feeding: h_t = f(h_{t-1}, y_{t-1}), then c_t by the alignment.

    The output is the attentional state of equation 5: tanh(W_c [c_t; h_t]).
    """

    def __init__(self, config: RecurrentSearchConfig):
        super().__init__()
        self.attention = MultiplicativeAttention(config)
        self.cell = RecurrentCell(config.cell, config.d_embedding, config.d_hidden)
        self.output = nn.Linear(2 * config.d_direction + config.d_hidden, config.d_output)  # W_c

    def forward(
        self, embedded: Float[Tensor, "batch target d_embedding"], state: State,
        annotations: Float[Tensor, "batch source annotation"], mask: Tensor | None,
    ) -> tuple[Tensor, Tensor, list[State]]:  # fmt: skip
        """Return the outputs [batch, target, d_output], the alignment [batch, target, source], the state after each step."""
        states = []
        for entering in embedded.unbind(1):
            state = self.cell(entering, state)
            states.append(state)
        hidden = torch.stack([state[0] for state in states], dim=1)
        alignment = self.attention(hidden, self.attention.keys(annotations), mask)
        context = torch.matmul(alignment.to(annotations.dtype), annotations)
        return torch.tanh(self.output(torch.cat((context, hidden), dim=-1))), alignment, states
