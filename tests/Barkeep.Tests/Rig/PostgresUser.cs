namespace Barkeep.Tests.Rig;

/// <summary>The user that PostgreSQL runs as: it refuses root.</summary>
static class PostgresUser
{
    static readonly Lazy<(int Uid, int Gid)> Ids = new(() =>
    {
        var entry = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).FirstOrDefault(fields => fields[0] == "postgres")
            ?? throw new InvalidOperationException("there is no user postgres: run ./dev servers");
        return (int.Parse(entry[2]), int.Parse(entry[3]));
    });

    public static int Uid => Ids.Value.Uid;

    public static int Gid => Ids.Value.Gid;

    /// <summary>Gives a directory and all in it to the user. What is the user's already keeps its times, by which a delta restore sees that nobody has touched it.</summary>
    public static async Task OwnAsync(string path) =>
        (await Command.RunAsync("find", path, "(", "-not", "-uid", $"{Uid}", "-o", "-not", "-gid", $"{Gid}", ")", "-exec", "chown", "--no-dereference", $"{Uid}:{Gid}", "{}", "+")).Checked();
}
