# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Who is shown which datasets, and whether they fit together; the portal itself takes long to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import ConfigurationError
from portal.datasets import check_view

if TYPE_CHECKING:
    from compose.settings import PortalSettings
    from portal.datasets import Catalogue, Dataset


def check_partners(portal: PortalSettings, catalogue: Catalogue) -> None:
    """See that what readers are shown fits together.

    Raises:
        ConfigurationError: a partner's dataset is not declared, or two of a view contradict each other.
    """
    check_view("public", public_datasets(catalogue))
    for partner in portal.partner:
        for name in partner.datasets:
            if catalogue.named(name) is None:
                msg = f"the partner {partner.name} is to see the dataset “{name}”, which is not declared"
                raise ConfigurationError(msg)
        check_view(partner.name, [each for each in catalogue.dataset if each.name in partner.datasets])


def public_datasets(catalogue: Catalogue) -> tuple[Dataset, ...]:
    """Return the datasets that everybody may see."""
    return tuple(dataset for dataset in catalogue.dataset if dataset.access == "public")
