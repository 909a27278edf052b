"""Settings, read once from an environment into a frozen model.

`-` and the empty string read as unset (doctl refuses both empty and missing values). One message lists every
problem by name and never shows a value. Plain pydantic, not pydantic-settings: that costs a function 60 ms of cold
start (facts: docs/decisions.md). For the same reason each class is made when it is first asked for: a process reads one
or two of them.
"""

from typing import TYPE_CHECKING

from rythmiq.on_demand import names_of

if TYPE_CHECKING:
    from rythmiq.settings.api import (
        AccountSettings,
        AuthSettings,
        CorsSettings,
        DatabaseSettings,
        EncryptionSettings,
        HealthSettings,
        MetricsSettings,
        PublicSettings,
        SealedStoreSettings,
        StoreSettings,
        UploadsSettings,
    )
    from rythmiq.settings.environment import EnvironmentSettings
    from rythmiq.settings.execution import (
        CamberSettings,
        ExecutionSettings,
        ExecutorSettings,
        JobsSettings,
        KubernetesSettings,
        ReconcileSettings,
        WebhooksSettings,
    )
    from rythmiq.settings.words import LOOPBACK_HOSTS
    from rythmiq.settings.worker import LauncherSettings, WorkerSettings

__all__ = [
    "LOOPBACK_HOSTS",
    "AccountSettings",
    "AuthSettings",
    "CamberSettings",
    "CorsSettings",
    "DatabaseSettings",
    "EncryptionSettings",
    "EnvironmentSettings",
    "ExecutionSettings",
    "ExecutorSettings",
    "HealthSettings",
    "JobsSettings",
    "KubernetesSettings",
    "LauncherSettings",
    "MetricsSettings",
    "PublicSettings",
    "ReconcileSettings",
    "SealedStoreSettings",
    "StoreSettings",
    "UploadsSettings",
    "WebhooksSettings",
    "WorkerSettings",
]

__getattr__ = names_of(
    __name__,
    {
        "api": (
            *("AccountSettings", "AuthSettings", "CorsSettings", "DatabaseSettings", "EncryptionSettings"),
            *("HealthSettings", "MetricsSettings", "PublicSettings", "SealedStoreSettings", "StoreSettings"),
            "UploadsSettings",
        ),
        "environment": ("EnvironmentSettings",),
        "execution": (
            *("CamberSettings", "ExecutionSettings", "ExecutorSettings", "JobsSettings", "KubernetesSettings"),
            *("ReconcileSettings", "WebhooksSettings"),
        ),
        "words": ("LOOPBACK_HOSTS",),
        "worker": ("LauncherSettings", "WorkerSettings"),
    },
)
