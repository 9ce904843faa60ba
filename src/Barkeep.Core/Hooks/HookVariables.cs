using System.Globalization;
using Barkeep.Common;
using Barkeep.Repo;

namespace Barkeep.Hooks;

/// <summary>What hook scripts are told in their environment, by Barman's names.</summary>
public static class HookVariables
{
    /// <summary>Of a backup.</summary>
    /// <param name="repository">The repository's directory.</param>
    /// <param name="status">DONE, WAITING_FOR_WALS, STARTED, FAILED.</param>
    public static async Task<Dictionary<string, string>> OfBackupAsync(Lineage lineage, BackupId id, string repository, string status, CancellationToken cancellationToken)
    {
        var others = (await lineage.Backups.ListPartsAsync(cancellationToken)).Where(b => b.Id != id && b.Parts.HasFlag(BackupParts.Manifest)).Select(static b => b.Id).ToList();
        var directory = Path.Combine(repository, lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture), "backups", id.ToString());
        return new()
        {
            ["BARMAN_BACKUP_ID"] = id.ToString(),
            ["BARMAN_BACKUP_DIR"] = directory,
            ["BARMAN_BACKUP_INFO_PATH"] = Path.Combine(directory, "manifest"),
            ["BARMAN_STATUS"] = status,
            ["BARMAN_PREVIOUS_ID"] = others.Exists(o => o < id) ? others.Where(o => o < id).Max().ToString() : "",
            ["BARMAN_NEXT_ID"] = others.Exists(o => o > id) ? others.Where(o => o > id).Min().ToString() : "",
        };
    }

    /// <summary>Of a WAL segment in the repository.</summary>
    public static Dictionary<string, string> OfStored(Lineage lineage, StoredSegment segment, string repository)
    {
        var name = segment.IsPartial ? $"{segment.Name}.partial" : segment.Name.ToString();
        var file = Path.Combine(repository, lineage.Identity.SystemId.ToString(CultureInfo.InvariantCulture), "wal", name[..16], name);
        return OfSegment(name, file, segment.StoredLength, File.Exists(file) ? File.GetLastWriteTimeUtc(file) : DateTimeOffset.UnixEpoch, "zstd");
    }

    /// <summary>Of a WAL segment.</summary>
    /// <param name="file">Where it is.</param>
    /// <param name="length">Its bytes there.</param>
    /// <param name="compression">How it is compressed there; empty for not at all.</param>
    public static Dictionary<string, string> OfSegment(string name, string file, long length, DateTimeOffset time, string compression) => new()
    {
        ["BARMAN_SEGMENT"] = name,
        ["BARMAN_FILE"] = file,
        ["BARMAN_SIZE"] = length.ToString(CultureInfo.InvariantCulture),
        ["BARMAN_TIMESTAMP"] = time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        ["BARMAN_COMPRESSION"] = compression,
    };
}
