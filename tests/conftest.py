"""One thread for all tests: on tensors this small, threads cost more than they save, most of all on a busy machine."""

import torch

torch.set_num_threads(1)
