using System.Globalization;
using Barkeep.Cli.Processes;
using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Cli.Shared;

/// <summary>What processes do for a server, one at a time, each under its lock.</summary>
/// <param name="Name">The command's.</param>
/// <param name="Words">What the command line of its process holds; none where other commands do it too.</param>
sealed record Duty(string Name, string LockFile, params IReadOnlyList<string> Words)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    public static IReadOnlyList<Duty> Of(Locations locations, ServerName server) =>
    [
        Receiving(locations, server),
        new("backup", locations.BackupLock(server)),
        new("cron", locations.CronLock(server)),
        new("gc", locations.CollectionLock(server)),
    ];

    /// <summary>While archive-wal does the receiver's work it holds the lock, and is not to be ended for it.</summary>
    public static Duty Receiving(Locations locations, ServerName server) => new("receive-wal", locations.ReceiverLock(server), "receive-wal", server.ToString());

    /// <summary>The process that does it now; null when none does. The lock's content is for people, so the process must look like ours too.</summary>
    public int? FindProcess() =>
        DutyLock.IsHeld(LockFile) && DutyLock.HolderPid(LockFile) is { } pid && (pid == Environment.ProcessId || ProcessTree.IsThisProgram(pid))
            && ProcessTree.CommandLine(pid) is var line && Words.All(word => line.Contains(word)) ? pid : null;

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
                throw new BarkeepException(ErrorKind.Busy, string.Create(CultureInfo.InvariantCulture, $"{Name}, process {pid}, was asked to end and has not within {limit.TotalSeconds:0} s"), $"kill -9 {pid} ends it: what it leaves is cleared away later");
            }
            await Task.Delay(Pause, time, cancellationToken);
        }
    }
}
