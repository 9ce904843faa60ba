using System.Globalization;
using Barkeep.Common;
using Barkeep.Storage;

namespace Barkeep.Restores;

/// <summary>
/// A file that says that a restore into the directory has begun and has not ended. With global/pg_control, which is written last,
/// missing as well, PostgreSQL does not start on such a directory.
/// </summary>
/// <param name="Note">For whoever looks into the file.</param>
/// <param name="Places">The directories that the restore writes to, the target first.</param>
sealed record RestoreMarker(string Note, string SystemId, string BackupId, IReadOnlyList<RestoredPlace> Places)
{
    public const string FileName = "barkeep.unfinished-restore";

    const int Version = 1;
    const string Kind = "unfinished-restore";
    const int MaxLength = 1 << 20;

    public static RestoreMarker Of(RestorePlan plan, ulong systemId, IReadOnlyList<RestoredPlace> places) => new(
        $"A restore of backup {plan.Backup} into this directory has begun and has not ended. If it is not running any more: restore with --delta, which finishes it, or empty the directory.",
        systemId.ToString(CultureInfo.InvariantCulture),
        plan.Backup.ToString(),
        places);

    public byte[] Seal() => Record.Seal(Kind, Version, this, RestoreJson.Default.RestoreMarker);

    /// <summary>Reads it; null when there is none, or none that can be understood.</summary>
    public static RestoreMarker? TryRead(TargetTree tree)
    {
        try
        {
            return tree.TryRead(FileName, MaxLength) is { } bytes ? Record.Open(FileName, Kind, Version, bytes, RestoreJson.Default.RestoreMarker) : null;
        }
        catch (BarkeepException e) when (e.Kind is ErrorKind.Damaged or ErrorKind.NewerRepository)
        {
            return null;
        }
    }
}
