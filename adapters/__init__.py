# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From a sensor's own words to entities: sources, network servers, codecs, registry, translation."""
