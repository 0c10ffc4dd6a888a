# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Payload codecs: from the bytes of a device to its decoded fields."""
