using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Backups;

/// <summary>The lock that backups and cleanings of one server take turns by.</summary>
static class BackupDuty
{
    /// <summary>A cleaning, which cron runs every minute, holds the lock for a moment; a backup at the same minute must not fail for that.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <exception cref="BarkeepException">Busy: a backup is running.</exception>
    public static async Task<DutyLock> TakeAsync(ServerName server, Locations locations, TimeProvider time, CancellationToken cancellationToken)
    {
        var path = locations.BackupLock(server);
        var start = time.GetTimestamp();
        while (true)
        {
            if (DutyLock.TryTake(path) is { } duty)
            {
                return duty;
            }
            if (time.GetElapsedTime(start) >= Patience)
            {
                throw new BarkeepException(
                    ErrorKind.Busy,
                    $"another backup of server {server} is running{(DutyLock.HolderPid(path) is { } pid ? $" (process {pid})" : "")}",
                    "wait for it to end");
            }
            await Task.Delay(Pause, time, cancellationToken);
        }
    }
}
