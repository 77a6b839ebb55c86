"""Devices, number types and whether a model fits, before its weights are read."""

import psutil
import torch

from model.errors import HeadscopeError, ModelTooLarge

DEVICES = ("auto", "cuda", "mps", "cpu")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Room for activations and the traces beside the weights.
HEADROOM = 1.2
# How much of a device's memory loaded models may keep between uses, and a trace of what is free beside them.
MODELS_SHARE = 0.5
TRACE_SHARE = 0.25


def available_devices() -> tuple[str, ...]:
    """Return the devices of this machine, the fastest first."""
    found = ["cuda"] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return (*found, "cpu")


def choose_device(device: str = "auto") -> torch.device:
    """Return the device asked for, or the fastest there is; raises HeadscopeError where it is not on this machine."""
    available = available_devices()
    kind = available[0] if device == "auto" else device.split(":")[0]
    if kind not in available:
        raise HeadscopeError(f"There is no {device} device on this machine. Choose {' or '.join(available)}.")
    return torch.device(kind if device == "auto" else device)


def is_place(place: object) -> bool:
    """Say whether a part of a model can go there: "disk", a device of this machine, or the number of a CUDA device."""
    if isinstance(place, int):
        return 0 <= place < torch.cuda.device_count()
    kind, _, number = str(place).partition(":")
    known = kind in (*available_devices(), "disk") and (not number or number.isdigit())
    return known and (kind != "cuda" or int(number or 0) < torch.cuda.device_count())


def choose_dtype(dtype: str, device: torch.device, checkpoint: torch.dtype | None = None) -> torch.dtype:
    """Return the number type asked for; "auto" is float32, and on CUDA what the checkpoint has."""
    if dtype == "auto":
        if checkpoint is None or device.type != "cuda" or checkpoint not in DTYPES.values():
            return torch.float32
        return checkpoint
    if dtype not in DTYPES:
        raise HeadscopeError(f"There is no number type “{dtype}” here. Choose {', '.join(DTYPES)} or auto.")
    return DTYPES[dtype]


def free_memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes; on the CPU and on Apple's shared memory that of the machine."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def model_budget(device: torch.device) -> int:
    """Return the bytes that models kept in memory may take on a device: half of all that it has."""
    if device.type == "cuda":
        return int(MODELS_SHARE * torch.cuda.get_device_properties(device).total_memory)
    return int(MODELS_SHARE * psutil.virtual_memory().total)


def trace_budget(device: torch.device) -> int:
    """Return the bytes that a trace may take on a device before it moves to the CPU: a quarter of what is free."""
    return int(TRACE_SHARE * free_memory(device))


def check_memory(name: str, parameters: int, device: torch.device, dtype: torch.dtype) -> None:
    """Refuse a model that would not fit, from its number of parameters alone.

    needed bytes = parameters * bytes of dtype * 1.2. Raises ModelTooLarge, which says what would fit.
    """
    needed = parameters * dtype.itemsize * HEADROOM
    free = free_memory(device)
    if needed <= free:
        return
    fits = [kind for kind, number in DTYPES.items() if parameters * number.itemsize * HEADROOM <= free]
    advice = f"Choose {fits[0]}" if fits else f"Choose a model of at most {_counted(free / HEADROOM / 2)} parameters"
    raise ModelTooLarge(
        f"“{name}” has {_counted(parameters)} parameters and needs {gigabytes(needed)} on {device.type} in "
        f"{str(dtype).removeprefix('torch.')}; {gigabytes(free)} are free. {advice}, spread it over devices and disk "
        '(load_model with device_map="auto"), or free memory.'
    )


def gigabytes(count: int | float) -> str:
    """Return a number of bytes as text in MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _counted(count: int | float) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.0f} million"
