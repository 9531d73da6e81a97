"""Pictures and tables of fitted networks, all from public fitted attributes.

Displays follow scikit-learn: ``from_estimator`` computes and draws, ``plot`` draws again. They need
matplotlib (``pip install ".[plot]"``).
"""

from sklearn_wedge.inspection._certificate_display import CertificateDisplay
from sklearn_wedge.inspection._effect_display import EffectDisplay
from sklearn_wedge.inspection._effect_grid import EffectGrid
from sklearn_wedge.inspection._explanation import Explanation
from sklearn_wedge.inspection._neuron_display import NeuronDisplay
from sklearn_wedge.inspection._path_display import PathDisplay
from sklearn_wedge.inspection._support_display import SupportDisplay

__all__ = [
    "CertificateDisplay",
    "EffectDisplay",
    "EffectGrid",
    "Explanation",
    "NeuronDisplay",
    "PathDisplay",
    "SupportDisplay",
]
