using System.Globalization;
using Barkeep.Cli.Processes;
using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Cli.Shared;

/// <summary>What processes do for a server, one at a time, each under its lock.</summary>
/// <param name="Task">The command's name.</param>
sealed record Duty(string Task, string LockFile)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    public static IReadOnlyList<Duty> Of(Locations locations, ServerName server) =>
    [
        new("receive-wal", locations.ReceiverLock(server)),
        new("backup", locations.BackupLock(server)),
        new("cron", locations.CronLock(server)),
        new("gc", locations.CollectionLock(server)),
    ];

    /// <summary>The process that does it now; null when none does. The lock's content is for people, so the process must look like ours too.</summary>
    public int? FindProcess() =>
        DutyLock.IsHeld(LockFile) && DutyLock.HolderPid(LockFile) is { } pid && (pid == Environment.ProcessId || ProcessTree.IsThisProgram(pid)) ? pid : null;

    /// <summary>Asks the process to end, and waits until it has let go of its duty.</summary>
    /// <exception cref="BarkeepException">Busy when it does not in time.</exception>
    public async Task EndAsync(int pid, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        ProcessTree.Ask(pid);
        while (FindProcess() == pid)
        {
            if (time.GetElapsedTime(start) > limit)
            {
                throw new BarkeepException(ErrorKind.Busy, string.Create(CultureInfo.InvariantCulture, $"{Task}, process {pid}, was asked to end and has not within {limit.TotalSeconds:0} s"), $"kill -9 {pid} ends it: what it leaves is cleared away later");
            }
            await System.Threading.Tasks.Task.Delay(Pause, time, cancellationToken);
        }
    }
}
