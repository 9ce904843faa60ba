using System.Globalization;
using Barkeep.Common;
using Barkeep.Configuration;

namespace Barkeep.Health;

/// <summary>Judges whether there are as many backups, as new and as large ones, and WAL as new, as the configuration demands; in Barman's words.</summary>
static class RetentionChecks
{
    public static IEnumerable<Finding> Judge(HealthFacts facts)
    {
        // A policy that cannot be read is an error of the configuration, and nothing comes as far as this.
        yield return Finding.Ok("retention policy settings");
        yield return BackupAge(facts);
        yield return BackupSize(facts);
        yield return WalAge(facts);
        yield return Redundancy(facts);
    }

    static Finding BackupAge(HealthFacts facts)
    {
        const string Name = "backup maximum age";
        return facts.Config.BackupMaximumAge is { } limit
            ? Age(Name, limit, facts.Newest?.Info is { } info ? facts.Now - info.EndTime : null, "latest backup age")
            : Finding.Ok(Name, "no last_backup_maximum_age provided");
    }

    // The receiver notes when the server last sent anything: as long as it streams, its WAL is as new as that.
    static Finding WalAge(HealthFacts facts)
    {
        const string Name = "wal maximum age";
        return facts.Config.WalMaximumAge is { } limit
            ? Age(Name, limit, facts.Receiver?.LastMessageAt is { } heard ? facts.Now - heard : null, "latest WAL age")
            : Finding.Ok(Name, "no last_wal_maximum_age provided");
    }

    static Finding Age(string name, AgeLimit limit, TimeSpan? age, string what)
    {
        var hint = $"interval provided: {limit}, {what}: {(age is { } known ? Spoken(known) : "none")}";
        return age <= limit.Length ? Finding.Ok(name, hint) : Finding.Failed(name, hint);
    }

    static Finding BackupSize(HealthFacts facts)
    {
        const string Name = "backup minimum size";
        var size = new ByteSize(facts.Newest?.Info?.ClusterSize ?? 0);
        return facts.Config.BackupMinimumSize is { } least && size.Bytes < least
            ? Finding.Failed(Name, $"{size}: last_backup_minimum_size is {new ByteSize(least)}")
            : Finding.Ok(Name, size.ToString());
    }

    static Finding Redundancy(HealthFacts facts)
    {
        const string Name = "minimum redundancy requirements";
        var count = facts.Redundancy;
        var hurt = facts.HurtBackups.Count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"; {facts.HurtBackups.Count} more cannot be restored: they need damaged pages");
        var hint = string.Create(CultureInfo.InvariantCulture, $"have {count} backups, expected at least {facts.Config.MinimumRedundancy}{hurt}");
        return count >= facts.Config.MinimumRedundancy ? Finding.Ok(Name, hint) : Finding.Failed(Name, hint);
    }

    // The two largest units that it has.
    static string Spoken(TimeSpan time)
    {
        (int Count, string Unit)[] parts = [(time.Days, "day"), (time.Hours, "hour"), (time.Minutes, "minute"), (time.Seconds, "second")];
        var said = parts.Where(static p => p.Count > 0).Take(2).Select(static p => string.Create(CultureInfo.InvariantCulture, $"{p.Count} {p.Unit}{(p.Count == 1 ? "" : "s")}"));
        return string.Join(", ", said) is { Length: > 0 } text ? text : "less than one second";
    }
}
