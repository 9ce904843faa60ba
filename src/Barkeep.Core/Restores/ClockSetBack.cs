using Barkeep.Common;
using Barkeep.Received;
using Barkeep.Recovery;

namespace Barkeep.Restores;

/// <summary>Says when transactions that ended before the target time, by a clock that was set back, lie behind the place where recovery stops.</summary>
static class ClockSetBack
{
    /// <exception cref="BarkeepException">Storage.</exception>
    public static async Task TellAsync(RestoreSource source, RestoreOptions options, WalSpool spool, List<string> warnings, CancellationToken cancellationToken)
    {
        if (options.Until is not { } target || source.Stop is not { Equivalent: null } planned)
        {
            return;
        }
        try
        {
            if (await LateCommits.FindLastAsync(source.Lineage, spool, source.Route, target, planned.Stop, cancellationToken) is { } late)
            {
                warnings.Add(
                    $"THE SERVER'S CLOCK WAS SET BACK: recovery stops {planned}, the first later than {target}, while transactions up to {late.Xid}, at {late.Position}, "
                    + $"come after that and have earlier times, at last {late.Time.Print(TimeZoneInfo.Local)}: they are not restored; --target-lsn {late.Position} restores them too");
            }
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.ObjectMissing)
        {
            // What lies behind the target is not needed, and may be damaged.
        }
    }
}
