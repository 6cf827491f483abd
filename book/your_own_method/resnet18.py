"""A ResNet-18 of torchvision as a backbone, with weights from a file that you have: nothing is downloaded."""

import os

import torch
from torch import nn
from torchvision.models import resnet18

from replaylib import register

#: A file with the state dictionary of `resnet18(weights="DEFAULT")`, from `torch.save`; without, random weights.
WEIGHTS = os.environ.get("RESNET18_WEIGHTS")
SIDE = 64  # pixels, to which the images are enlarged


@register.backbone("resnet18", "ResNet-18 (He et al. 2016), 512 features", shape=(3, 32, 32))
def backbone():
    torch.manual_seed(0)
    net = resnet18(weights=None)
    if WEIGHTS:
        net.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    net.fc = nn.Identity()
    return nn.Sequential(nn.Upsample(size=SIDE, mode="bilinear"), net)
