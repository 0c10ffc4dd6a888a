# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Open interfaces: clients of the NGSI-LD broker and of nothing else."""
