# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""PostgreSQL, the one store: connections, migrations, named queries, the embedded server."""
