Console.WriteLine("barkeep");
