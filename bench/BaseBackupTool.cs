namespace Barkeep.Bench;

/// <summary>pg_basebackup of PostgreSQL 18, with its incremental mode.</summary>
sealed class BaseBackupTool(Machine machine, Cluster cluster)
{
    public const string Name = "pg_basebackup";

    const string Target = "/mnt/basebackup";
    const string Manifest = "/mnt/basebackup.manifest";

    public void Full() => Take("");

    /// <summary>Relative to the one before it.</summary>
    public Sample Incremental() => Take($"--incremental={Manifest}");

    // Only the manifest is needed for the next one.
    Sample Take(string options)
    {
        var sample = machine.Peers.Measure($"pg_basebackup {cluster.Connection("")} -D {Target} --checkpoint=fast --wal-method=stream {options}", cluster.Cpu);
        sample = sample with { Stored = Disk.Megabytes(Target, except: ["pg_wal"]) };
        machine.Peers.Run($"mv {Target}/backup_manifest {Manifest} && rm -rf {Target}");
        return sample;
    }
}
