<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr" sourcelanguage="en">
    <context>
        <name>app</name>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>This is not a repository</source>
            <translation>Ce n’est pas un dépôt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>“{text}” is the address of a file.</source>
            <translation>« {text} » est l’adresse d’un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Give its owner and name: owner/repository</source>
            <translation>Indiquez son propriétaire et son nom : propriétaire/dépôt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Of {count} files, {name} ({size:,} bytes) is the best one for this computer. {reason}</source>
            <translation>Sur {count} fichiers, {name} ({size:,} octets) est le meilleur pour cet ordinateur. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>No file of {repository} fits into this computer's memory</source>
            <translation>Aucun fichier de {repository} ne tient dans la mémoire de cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>The smallest, {name}, needs {need:,.1f} GiB, and {room:,.1f} GiB can be used.</source>
            <translation>Le plus petit, {name}, demande {need:,.1f} Gio, et {room:,.1f} Gio sont utilisables.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/discovery.py" />
            <source>Choose a smaller model, or name the file to have it all the same: {example}</source>
            <translation>Choisissez un modèle plus petit, ou nommez le fichier pour l’avoir quand même : {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} is too large</source>
            <translation>{name} est trop grand</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>At most {count} MB of texts are taken at once.</source>
            <translation>Au plus {count} Mo de textes sont acceptés à la fois.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} is not text</source>
            <translation>{name} n’est pas un texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>It is not encoded in UTF-8.</source>
            <translation>Il n’est pas codé en UTF-8.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Save it as UTF-8 text, or choose another.</source>
            <translation>Enregistrez-le en texte UTF-8, ou choisissez-en un autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} cannot be read</source>
            <translation>{name} ne peut pas être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Check that you may read it.</source>
            <translation>Vérifiez que vous avez le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Results cannot be saved as {kind}</source>
            <translation>Les résultats ne peuvent pas être enregistrés sous forme de {kind}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>a file without an ending</source>
            <translation>fichier sans extension</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>The name must end in {names}.</source>
            <translation>Le nom doit se terminer par {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>{name} could not be saved</source>
            <translation>{name} n’a pas pu être enregistré</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/embedding_files.py" />
            <source>Choose another folder.</source>
            <translation>Choisissez un autre dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>The publisher wants you to accept terms first</source>
            <translation>L’éditeur demande d’accepter d’abord ses conditions</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{name}: {cost}. It comes with files on terms of {owners}.</source>
            <translation>{name} : {cost}. Il comporte des fichiers soumis aux conditions de {owners}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>If you accept them: powerinfer-tray engines install {id} --yes</source>
            <translation>Si vous les acceptez : powerinfer-tray engines install {id} --yes</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>There is no engine that would do better here</source>
            <translation>Aucun moteur ne ferait mieux ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>To install one all the same, name it: powerinfer-tray engines list</source>
            <translation>Pour en installer un malgré tout, nommez-le : powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>Paused</source>
            <translation>En pause</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>{size:,} bytes are here.</source>
            <translation>{size:,} octets sont déjà là.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_commands.py" />
            <source>The same command goes on from there.</source>
            <translation>La même commande reprend à cet endroit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>There is no engine “{id}” to install</source>
            <translation>Il n’y a pas de moteur « {id} » à installer</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>No build of this name is published for this machine.</source>
            <translation>Aucune version de ce nom n’est publiée pour cette machine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>This lists those that are: powerinfer-tray engines list</source>
            <translation>Cette commande les liste : powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>The engine “{id}” is being used</source>
            <translation>Le moteur « {id} » est utilisé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>It runs {models}.</source>
            <translation>Il fait tourner {models}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/engine_manager.py" />
            <source>Stop the server or unload these models first, or choose another engine for them.</source>
            <translation>Arrêtez d’abord le serveur, déchargez ces modèles, ou choisissez-leur un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} is being served</source>
            <translation>{name} est utilisé par le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The engine has the file open.</source>
            <translation>Le moteur tient le fichier ouvert.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Stop the server first.</source>
            <translation>Arrêtez d’abord le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>No model is named</source>
            <translation>Aucun modèle n’est indiqué</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>The name is empty.</source>
            <translation>Le nom est vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Give its id; this lists them: powerinfer-tray models list</source>
            <translation>Donnez son identifiant ; cette commande les affiche : powerinfer-tray models list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} comes with the app</source>
            <translation>{name} est fourni avec l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>It cannot be removed.</source>
            <translation>Il ne peut pas être supprimé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>There is no program that quantizes</source>
            <translation>Aucun programme ne permet de quantifier</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>None is beside PowerInfer's server or on the PATH.</source>
            <translation>Il n’y en a ni à côté du serveur PowerInfer ni dans le PATH.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Put PowerInfer's «quantize» beside its server, or on the PATH as powerinfer-quantize; for dense models, llama.cpp's «llama-quantize».</source>
            <translation>Placez « quantize » de PowerInfer à côté de son serveur, ou dans le PATH sous le nom powerinfer-quantize ; pour les modèles denses, « llama-quantize » de llama.cpp.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>{name} is not in the models folder</source>
            <translation>{name} n’est pas dans le dossier des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>It is {path}, and the models folder is {folder}.</source>
            <translation>Son chemin est {path}, et le dossier des modèles est {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_manager.py" />
            <source>Remove it where it is; or, if it is a model, with: powerinfer-tray models remove --yes PATH</source>
            <translation>Supprimez-le là où il est ; ou, si c’est un modèle, avec : powerinfer-tray models remove --yes PATH</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>Name one by its path.</source>
            <translation>Désignez-en un par son chemin.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>No other app has a model {reference}</source>
            <translation>Aucune autre application n’a de modèle {reference}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>None that is not listed here yet has this name.</source>
            <translation>Aucun de ceux qui ne figurent pas encore dans la liste ne porte ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/model_upkeep.py" />
            <source>This lists what other apps have: powerinfer-tray models adopt</source>
            <translation>Pour voir ce que les autres applications possèdent : powerinfer-tray models adopt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>The server is not running</source>
            <translation>Le serveur ne fonctionne pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>No address is open.</source>
            <translation>Aucune adresse n’est ouverte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Start the server.</source>
            <translation>Démarrez le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>The local network needs an API key</source>
            <translation>Le réseau local exige une clé d’API</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Without one, everybody in the network could use this server.</source>
            <translation>Sans clé, tout le monde sur le réseau pourrait utiliser ce serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/public_address.py" />
            <source>Choose one: in the settings under Network, or with powerinfer-tray key set gateway. On a machine without a keychain, add --file to this, or set the environment variable {variable}.</source>
            <translation>Choisissez-en une : dans les paramètres sous Réseau, ou avec powerinfer-tray key set gateway. Sur une machine sans trousseau, ajoutez --file à cette commande, ou définissez la variable d’environnement {variable}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>Only the model of the setting Model may be elsewhere: requests could not name another one.</source>
            <translation>Seul le modèle du réglage Modèle peut être ailleurs : les requêtes ne pourraient pas en nommer un autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>Bring it there: powerinfer-tray models import PATH</source>
            <translation>Ajoutez-le avec : powerinfer-tray models import CHEMIN</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>{model} is not loaded</source>
            <translation>{model} n'est pas chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>It has no engine now.</source>
            <translation>Il n'a pas de moteur en ce moment.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>This lists the loaded models: powerinfer-tray ps</source>
            <translation>Cette commande liste les modèles chargés : powerinfer-tray ps</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>The engine did not end in time</source>
            <translation>Le moteur ne s’est pas arrêté à temps</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>It still has the model's file open.</source>
            <translation>Il a encore ouvert le fichier du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>Try again in a moment.</source>
            <translation>Réessayez dans un instant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>There is no window</source>
            <translation>Il n’y a pas de fenêtre</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/root.py" />
            <source>The app runs in a terminal.</source>
            <translation>L’application fonctionne dans un terminal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>The default model {name} is not installed</source>
            <translation>Le modèle par défaut {name} n'est pas installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>It is the one for requests that name no installed model.</source>
            <translation>C'est celui des requêtes qui ne nomment aucun modèle installé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/served_models.py" />
            <source>Download it, or choose another one in the settings.</source>
            <translation>Téléchargez-le, ou choisissez-en un autre dans les réglages.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Models are loaded into a server that runs.</source>
            <translation>Les modèles se chargent dans un serveur en marche.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Start it first.</source>
            <translation>Démarrez-le d'abord.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>The engine is a remote server</source>
            <translation>Le moteur est un serveur distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It has models of its own; none is loaded on this machine.</source>
            <translation>Il a ses propres modèles ; aucun ne se charge sur cette machine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>Choose another engine in the settings.</source>
            <translation>Choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>The server is not ready</source>
            <translation>Le serveur n’est pas prêt</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It did not get ready in time.</source>
            <translation>Il n’a pas été prêt à temps.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>It was stopped.</source>
            <translation>Il a été arrêté.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/server.py" />
            <source>{model} runs on with its old settings: {reason}</source>
            <translation>{model} continue avec ses anciens réglages : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The start was called off</source>
            <translation>Le démarrage a été annulé</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/start_job.py" />
            <source>The server was stopped before it had started.</source>
            <translation>Le serveur a été arrêté avant d’avoir démarré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>To try it again: powerinfer-tray engines allow {id}</source>
            <translation>Pour réessayer : powerinfer-tray engines allow {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>{model} is not run by the engine {id}</source>
            <translation>{model} n’est pas exécuté par le moteur {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/status.py" />
            <source>This says more: powerinfer-tray engines list</source>
            <translation>Pour en savoir plus : powerinfer-tray engines list</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Threads can only be tuned for a local engine</source>
            <translation>Le nombre de threads ne peut être ajusté que pour un moteur local</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>Set them on the remote machine.</source>
            <translation>Réglez-le sur la machine distante.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>A sparse model is always computed by one thread</source>
            <translation>Un modèle creux est toujours calculé par un seul thread</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>For all cores, choose a dense model (GGUF), which llama.cpp runs.</source>
            <translation>Pour utiliser tous les cœurs, choisissez un modèle dense (GGUF), que llama.cpp exécute.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It was not proven with {weights} weights.</source>
            <translation>Il n’a pas été éprouvé avec des poids {weights}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It does not compute with {weights} weights: {reason}</source>
            <translation>Il ne calcule pas avec des poids {weights} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/tuning.py" />
            <source>It failed; {engine} ran in its place.</source>
            <translation>Il a échoué ; {engine} a pris sa place.</translation>
        </message>
        <message>
            <location filename="../../tray_app/app/workspace.py" />
            <source>There is nothing to download.</source>
            <translation>Il n’y a rien à télécharger.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>Give the address of a file (https://…/model.gguf) or hf:owner/repository/file.gguf.</source>
            <translation>Indiquez l’adresse d’un fichier (https://…/model.gguf) ou hf:owner/repository/file.gguf.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not an address</source>
            <translation>Ce n’est pas une adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>It has {count:,} letters, and begins with “{text}”. No address has more than {most:,}.</source>
            <translation>Elle a {count:,} caractères et commence par « {text} ». Aucune adresse n’en a plus de {most:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” has signs in it that no address can have.</source>
            <translation>« {text} » contient des caractères qu’aucune adresse ne peut comporter.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not a file on Hugging Face</source>
            <translation>Ce n’est pas un fichier de Hugging Face</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}” is not understood.</source>
            <translation>« {text} » n’est pas reconnu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>“{text}”: {reason}.</source>
            <translation>« {text} » : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/address.py" />
            <source>This is not an address that can be downloaded</source>
            <translation>Cette adresse ne peut pas être téléchargée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Another file of this name is there</source>
            <translation>Un autre fichier de ce nom existe</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>{path} is not the file that the source offers, and is left as it is.</source>
            <translation>{path} n’est pas le fichier que la source propose, et reste tel quel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/adopt.py" />
            <source>Rename or delete it, then download again.</source>
            <translation>Renommez-le ou supprimez-le, puis relancez le téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/connection_pool.py" />
            <source>Every connection has ended.</source>
            <translation>Toutes les connexions ont pris fin.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server does not let us have this file</source>
            <translation>Le serveur ne nous donne pas ce fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: it asks for a sign-in, or for a licence to be accepted.</source>
            <translation>{host} a répondu {status} : il demande une connexion ou l’acceptation d’une licence.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the address in a browser. If it downloads there only after signing in, fetch it there and put it into the models folder.</source>
            <translation>Ouvrez l’adresse dans un navigateur. Si le téléchargement n’y fonctionne qu’après connexion, récupérez le fichier ainsi et placez-le dans le dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The file is not there</source>
            <translation>Le fichier n’est pas là</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: it knows no file at this address.</source>
            <translation>{host} a répondu {status} : il ne connaît aucun fichier à cette adresse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the address: owner, repository and file name, with upper and lower case.</source>
            <translation>Vérifiez l’adresse : propriétaire, dépôt et nom du fichier, en respectant les majuscules.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server refused</source>
            <translation>Le serveur a refusé</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}.</source>
            <translation>{host} a répondu {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server has a problem</source>
            <translation>Le serveur a un problème</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Try again in a few minutes.</source>
            <translation>Réessayez dans quelques minutes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the address in a browser.</source>
            <translation>Vérifiez l’adresse dans un navigateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered 429: it can be asked again in {seconds:.0f} s.</source>
            <translation>{host} a répondu 429 : on peut l’interroger à nouveau dans {seconds:.0f} s.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered 429.</source>
            <translation>{host} a répondu 429.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Wait a few minutes. With an access token it may be asked more often: powerinfer-tray key set {host}</source>
            <translation>Attendez quelques minutes. Avec un jeton d’accès, on peut l’interroger plus souvent : powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} was asked too often</source>
            <translation>{host} a été interrogé trop souvent</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>There is no such repository</source>
            <translation>Ce dépôt n’existe pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: it knows none of this name.</source>
            <translation>{host} a répondu {status} : il ne connaît aucun dépôt de ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check owner and repository, with upper and lower case. If it is private, it needs an access token: powerinfer-tray key set {host}</source>
            <translation>Vérifiez le propriétaire et le dépôt, en respectant les majuscules. S’il est privé, il faut un jeton d’accès : powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The repository has no such revision</source>
            <translation>Le dépôt n’a pas cette révision</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: no branch, tag or commit has this name.</source>
            <translation>{host} a répondu {status} : aucune branche, étiquette ni commit ne porte ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Leave the revision out to get the branch main: hf:owner/repository</source>
            <translation>Omettez la révision pour obtenir la branche main : hf:propriétaire/dépôt</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy does not let us through</source>
            <translation>Le proxy ne nous laisse pas passer</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>For {host}, it answered {status}.</source>
            <translation>Pour {host}, il a répondu {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Ask whoever runs the proxy, or use another source.</source>
            <translation>Demandez à la personne qui gère le proxy, ou utilisez une autre source.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy wants a login</source>
            <translation>Le proxy demande une authentification</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy between this computer and {host} answered 407: it lets in only who signs in.</source>
            <translation>Le proxy entre cet ordinateur et {host} a répondu 407 : il ne laisse passer que les utilisateurs authentifiés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Set HTTP_PROXY and HTTPS_PROXY to http://USER:PASSWORD@PROXY:PORT, with signs such as @ or : in the password as %40, %3A, and start this app again. If they have a login, it is not the right one.</source>
            <translation>Définissez HTTP_PROXY et HTTPS_PROXY sous la forme http://UTILISATEUR:MOT_DE_PASSE@PROXY:PORT, en écrivant %40, %3A pour les caractères tels que @ ou : du mot de passe, puis redémarrez cette application. Si des identifiants y figurent déjà, ils ne sont pas corrects.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} answered {status}: {reason}</source>
            <translation>{host} a répondu {status} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>the file is gated</source>
            <translation>l’accès au fichier est restreint</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then enter an access token: in the settings under Models, or with powerinfer-tray key set {host}</source>
            <translation>Ouvrez la page du modèle sur {host}, connectez-vous et acceptez les conditions. Saisissez ensuite un jeton d’accès : dans les paramètres sous Modèles, ou avec powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Open the model's page on {host}, sign in and accept the terms. Then store an access token: powerinfer-tray key set {host}</source>
            <translation>Ouvrez la page du modèle sur {host}, connectez-vous et acceptez les conditions. Enregistrez ensuite un jeton d’accès : powerinfer-tray key set {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No secure connection</source>
            <translation>Pas de connexion sécurisée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{host} could not prove who it is ({reason}).</source>
            <translation>{host} n’a pas pu prouver son identité ({reason}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the computer's clock. A company's own certificate must be in the system's store.</source>
            <translation>Vérifiez l’horloge de l’ordinateur. Le certificat propre à une entreprise doit se trouver dans le magasin du système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Could not reach {host}</source>
            <translation>Impossible de joindre {host}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{reason}.</source>
            <translation>{reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the connection to the internet and the address.</source>
            <translation>Vérifiez la connexion à Internet et l’adresse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The proxy does not answer</source>
            <translation>Le proxy ne répond pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check the proxy in the system's settings.</source>
            <translation>Vérifiez le proxy dans les réglages du système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>This address cannot be used</source>
            <translation>Cette adresse ne peut pas être utilisée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The connection was lost</source>
            <translation>La connexion a été perdue</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>What has arrived is kept. Press Resume to go on from there.</source>
            <translation>Ce qui est arrivé est conservé. Appuyez sur Reprendre pour continuer à partir de là.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The file has changed on the server</source>
            <translation>Le fichier a changé sur le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Download it again, from its start.</source>
            <translation>Téléchargez-le à nouveau, depuis le début.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>What the server offers as {name} is not the file that was begun.</source>
            <translation>Ce que le serveur propose sous le nom {name} n’est pas le fichier commencé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Nothing more came from the server.</source>
            <translation>Plus rien n’est venu du serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The server ended it in the middle of the file.</source>
            <translation>Le serveur a coupé au milieu du fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Something else has the name of this download's file</source>
            <translation>Autre chose porte le nom du fichier de ce téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{path}: {reason}. Nothing is written there.</source>
            <translation>{path} : {reason}. Rien n’y est écrit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Look who has put it there. If nobody needs it, delete it and press Resume.</source>
            <translation>Vérifiez qui l’a mis là. Si personne n’en a besoin, supprimez-le et cliquez sur Reprendre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>This disk cannot keep files that large</source>
            <translation>Ce disque n’accepte pas de fichiers aussi volumineux</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{name} has become too large for the disk of {folder}. FAT32, which many USB sticks have, takes files of up to 4 GB; a quota may set another limit.</source>
            <translation>{name} est devenu trop volumineux pour le disque de {folder}. FAT32, utilisé par de nombreuses clés USB, accepte des fichiers de 4 Go au plus ; un quota peut fixer une autre limite.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Choose a models folder on a disk with exFAT, NTFS, APFS or ext4, or a smaller or split model. What has arrived is kept: move its files (.part, .part.json) there, and the download goes on.</source>
            <translation>Choisissez un dossier des modèles sur un disque en exFAT, NTFS, APFS ou ext4, ou un modèle plus petit ou divisé. Ce qui est arrivé est conservé : déplacez-y ses fichiers (.part, .part.json), et le téléchargement se poursuivra.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>The disk is full</source>
            <translation>Le disque est plein</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>There was no room left for {name} in {folder}.</source>
            <translation>Il n’y avait plus de place pour {name} dans {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Free some space and press Resume, or choose another models folder.</source>
            <translation>Libérez de l’espace et appuyez sur Reprendre, ou choisissez un autre dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>{path}: {reason}.</source>
            <translation>{path} : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>Check that the drive is there and that you may write to it, or choose another models folder.</source>
            <translation>Vérifiez que le lecteur est présent et que vous pouvez y écrire, ou choisissez un autre dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/network_errors.py" />
            <source>No answer in time</source>
            <translation>Pas de réponse dans le délai</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Another download has this name</source>
            <translation>Un autre téléchargement porte ce nom</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>{path} is being downloaded from another address.</source>
            <translation>{path} est en cours de téléchargement depuis une autre adresse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part.py" />
            <source>Let that one end, or cancel it. Then download this one again.</source>
            <translation>Attendez la fin de cet autre téléchargement, ou annulez-le. Puis relancez celui-ci.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Another program is downloading this file</source>
            <translation>Un autre programme télécharge ce fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>{path} is being written, perhaps by this app in another window or terminal.</source>
            <translation>{path} est en cours d’écriture, peut-être par cette application dans une autre fenêtre ou un autre terminal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/part_lock.py" />
            <source>Wait until it is there, or stop the other download.</source>
            <translation>Attendez qu’il soit là, ou arrêtez l’autre téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download is paused</source>
            <translation>Le téléchargement est en pause</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download is cancelled</source>
            <translation>Le téléchargement est annulé</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>{count:,} bytes of {name} have arrived.</source>
            <translation>{count:,} octets de {name} sont arrivés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>Resume it to go on from there.</source>
            <translation>Reprenez-le pour continuer à partir de là.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/queue.py" />
            <source>The download failed unexpectedly</source>
            <translation>Le téléchargement a échoué de façon inattendue</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>There is no GGUF model in {repository}</source>
            <translation>Il n’y a pas de modèle GGUF dans {repository}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>This app runs models in the GGUF format.</source>
            <translation>Cette application exécute les modèles au format GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Look on Hugging Face for a repository of this model with GGUF in its name.</source>
            <translation>Cherchez sur Hugging Face un dépôt de ce modèle dont le nom contient GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>The files of {repository} could not be listed</source>
            <translation>Les fichiers de {repository} n’ont pas pu être listés</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{site} did not answer with a list of files.</source>
            <translation>{site} n’a pas répondu par une liste de fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Give the address of the file itself.</source>
            <translation>Indiquez l’adresse du fichier lui-même.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{repository} has several models</source>
            <translation>{repository} contient plusieurs modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>{repository} has no {tag}</source>
            <translation>{repository} n’a pas de {tag}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>It has: {names}.</source>
            <translation>Il contient : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/repository.py" />
            <source>Name one of them: {example}</source>
            <translation>Indiquez l’un d’eux : {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent a compressed file</source>
            <translation>Le serveur a envoyé un fichier compressé</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>It was asked not to.</source>
            <translation>Il lui avait été demandé de ne pas le faire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Try another source.</source>
            <translation>Essayez une autre source.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sent another piece of the file than it was asked for.</source>
            <translation>Le serveur a envoyé une autre partie du fichier que celle demandée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server announced {first} bytes, then {second}.</source>
            <translation>Le serveur a annoncé {first} octets, puis {second}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The file could not be checked</source>
            <translation>Le fichier n’a pas pu être vérifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server says neither its size nor its SHA-256: half a file would look like a whole one.</source>
            <translation>Le serveur n’indique ni sa taille ni son SHA-256 : une moitié de fichier passerait pour un fichier entier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>Use another source, or give the SHA-256.</source>
            <translation>Utilisez une autre source, ou indiquez le SHA-256.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/response_body.py" />
            <source>The server sends next to nothing.</source>
            <translation>Le serveur n’envoie presque rien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>Too many redirects</source>
            <translation>Trop de redirections</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} sends every request on to another address.</source>
            <translation>{host} renvoie chaque requête vers une autre adresse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server sends us on over an open line</source>
            <translation>Le serveur redirige vers une liaison non chiffrée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host} answers over https, and sends us to {target}, where others can read and change what comes.</source>
            <translation>{host} répond en https et redirige vers {target}, où d’autres peuvent lire et modifier ce qui arrive.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust that line, give that address itself.</source>
            <translation>Si vous faites confiance à cette liaison, indiquez directement cette adresse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>it has signs in it that no address can have, or too many</source>
            <translation>elle contient des caractères qu’aucune adresse ne peut avoir, ou trop de caractères</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server sends us to a broken address</source>
            <translation>Le serveur nous envoie vers une adresse incorrecte</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{host}: {reason}.</source>
            <translation>{host} : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The server sends us into a private network</source>
            <translation>Le serveur redirige vers un réseau privé</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{sender} is on the internet, and leads to {host} ({address}), which is on this computer or in its network.</source>
            <translation>{sender} est sur Internet et mène à {host} ({address}), qui se trouve sur cet ordinateur ou dans son réseau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>If you trust it, give the address there itself.</source>
            <translation>Si vous lui faites confiance, indiquez directement cette adresse.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>The proxy cannot be used</source>
            <translation>Le proxy est inutilisable</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/session.py" />
            <source>{proxy} is not the address of an HTTP proxy (http://host:port).</source>
            <translation>{proxy} n’est pas l’adresse d’un proxy HTTP (http://hôte:port).</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>What has arrived is kept. Free some space and press Resume, or choose another models folder.</source>
            <translation>Ce qui est arrivé est conservé. Libérez de l’espace et appuyez sur Reprendre, ou choisissez un autre dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>The server sends more than the model has</source>
            <translation>Le serveur envoie plus que le modèle ne contient</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>By its header, the model ends after {size:.2f} GB; {received:.2f} GB have come.</source>
            <translation>D’après son en-tête, le modèle se termine après {size:.2f} Go ; {received:.2f} Go sont arrivés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/size_limits.py" />
            <source>Use another source.</source>
            <translation>Utilisez une autre source.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The address names no file</source>
            <translation>L’adresse ne désigne aucun fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>{repository} is a repository, which may have many.</source>
            <translation>{repository} est un dépôt, qui peut contenir de nombreux fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” ends without a file name.</source>
            <translation>« {text} » se termine sans nom de fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>This is not a SHA-256</source>
            <translation>Ce n’est pas un SHA-256</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>“{text}” should be 64 characters of 0-9 and a-f.</source>
            <translation>« {text} » devrait comporter 64 caractères de 0 à 9 et de a à f.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>The server does not say clearly how large the file is</source>
            <translation>Le serveur n’indique pas clairement la taille du fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/source.py" />
            <source>It says “{header}: {text}”, which is not a number.</source>
            <translation>Il indique « {header}: {text} », ce qui n’est pas un nombre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>This is not a speed</source>
            <translation>Ce n’est pas une vitesse</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>“{text}” should be a number with a unit.</source>
            <translation>« {text} » devrait être un nombre suivi d’une unité.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/throttle.py" />
            <source>For example: 500k, 2.5MB/s</source>
            <translation>Par exemple : 500k, 2.5MB/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The address gives a web page, not a file</source>
            <translation>L’adresse donne une page web, pas un fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server answered with HTML: a sign-in page, a notice of the network, or a page about the file.</source>
            <translation>Le serveur a répondu en HTML : une page de connexion, un avis du réseau ou une page qui décrit le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Open the address in a browser, then copy the address of its download button.</source>
            <translation>Ouvrez l’adresse dans un navigateur, puis copiez l’adresse de son bouton de téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The address gives a pointer, not the file</source>
            <translation>L’adresse donne un pointeur, pas le fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The server holds only a Git LFS pointer of 130 bytes here.</source>
            <translation>Le serveur n’a ici qu’un pointeur Git LFS de 130 octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Use the address of the download button, which has /resolve/ in it.</source>
            <translation>Utilisez l’adresse du bouton de téléchargement, qui contient /resolve/.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>This is not a model file</source>
            <translation>Ce n’est pas un fichier de modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>It begins with neither GGUF nor PWRI, as every model for this app does.</source>
            <translation>Il ne commence ni par GGUF ni par PWRI, comme tout modèle pour cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Choose a file that ends in .gguf or .powerinfer.gguf.</source>
            <translation>Choisissez un fichier qui se termine par .gguf ou .powerinfer.gguf.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>The file is damaged or is not the one expected</source>
            <translation>Le fichier est endommagé ou n’est pas celui attendu</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Its SHA-256 is {actual}, but should be {expected}.</source>
            <translation>Son SHA-256 est {actual}, mais devrait être {expected}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>Download it again. If that does not help, the source offers another file.</source>
            <translation>Téléchargez-le à nouveau. Si cela ne suffit pas, la source propose un autre fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/verify.py" />
            <source>{message} What has arrived is now {name}.</source>
            <translation>{message} Ce qui est arrivé s’appelle maintenant {name}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sent the whole file in place of a piece.</source>
            <translation>Le serveur a envoyé le fichier entier au lieu d’une partie.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server sends another size than it announced</source>
            <translation>Le serveur envoie une autre taille que celle annoncée</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>There is more than the {count} bytes of the file.</source>
            <translation>Il y a plus que les {count} octets du fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>Try again, or use another source.</source>
            <translation>Réessayez, ou utilisez une autre source.</translation>
        </message>
        <message>
            <location filename="../../tray_app/download/worker.py" />
            <source>The server stopped before byte {end}, at {at}.</source>
            <translation>Le serveur s’est arrêté avant l’octet {end}, à {at}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>Called off</source>
            <translation>Annulé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It has more than {count:,} files.</source>
            <translation>Elle contient plus de {count:,} fichiers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It has more than {size:,} bytes in it.</source>
            <translation>Elle contient plus de {size:,} octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>What is in it is {times} times its own size.</source>
            <translation>Son contenu fait {times} fois sa propre taille.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It would run with the rights of another user or group.</source>
            <translation>Il s’exécuterait avec les droits d’un autre utilisateur ou groupe.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It has no name.</source>
            <translation>Il n’a pas de nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>“{name}” is not whole.</source>
            <translation>« {name} » n’est pas complet.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>It stands for a file that is not in the archive before it.</source>
            <translation>Il renvoie à un fichier qui ne le précède pas dans l’archive.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive.py" />
            <source>Something of this name is there already.</source>
            <translation>Quelque chose porte déjà ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is neither a file nor a folder.</source>
            <translation>Ce n’est ni un fichier ni un dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is a link, and leads to no file of the archive.</source>
            <translation>C’est un lien qui ne mène à aucun fichier de l’archive.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} is locked with a password</source>
            <translation>{name} est protégé par un mot de passe</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>What is in it cannot be read without.</source>
            <translation>Sans lui, son contenu ne peut pas être lu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Unpack it yourself, and give the folder.</source>
            <translation>Décompressez-le vous-même et indiquez le dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} cannot be unpacked</source>
            <translation>{name} ne peut pas être décompressé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>It is damaged, not whole, or no archive: {why}</source>
            <translation>Il est endommagé, incomplet, ou n’est pas une archive : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Download or copy it again. Engines come as .zip or .tar.gz, or as a folder.</source>
            <translation>Téléchargez-le ou copiez-le à nouveau. Les moteurs se présentent en .zip, en .tar.gz ou comme un dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>{name} holds more than an engine takes</source>
            <translation>{name} contient plus que ce qu’occupe un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_entries.py" />
            <source>Nothing of it was kept. Get it from its makers: published engines are smaller.</source>
            <translation>Rien n’en a été gardé. Obtenez-le de ses auteurs : les moteurs publiés sont plus petits.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It leads out of its folder.</source>
            <translation>Il mène hors de son dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>A part of its path has no name.</source>
            <translation>Une partie de son chemin n’a pas de nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is too long.</source>
            <translation>Il est trop long.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It has characters that not every system allows.</source>
            <translation>Il contient des caractères que tous les systèmes n’acceptent pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It begins or ends with what Windows leaves out.</source>
            <translation>Il commence ou finit par ce que Windows omet.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is the name of a device on Windows.</source>
            <translation>C’est le nom d’un périphérique sous Windows.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is an absolute path.</source>
            <translation>C’est un chemin absolu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It has too many folders in each other.</source>
            <translation>Il a trop de dossiers imbriqués.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Another has the same name on some systems: {other}.</source>
            <translation>Un autre a le même nom sur certains systèmes : {other}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>It is a link that leads out of its folder.</source>
            <translation>C’est un lien qui mène hors de son dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>The archive is not safe to unpack</source>
            <translation>Il n’est pas sûr de décompresser cette archive</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>“{name}”: {why}</source>
            <translation>« {name} » : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/archive_names.py" />
            <source>Nothing of it was kept. Get it from its makers: published engines are not like that.</source>
            <translation>Rien n’en a été gardé. Obtenez-la de ses auteurs : les moteurs publiés ne sont pas ainsi.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine uses the graphics of Apple Silicon (Metal): there is nothing to install.</source>
            <translation>Le moteur intégré utilise la puce graphique d’Apple Silicon (Metal) : il n’y a rien à installer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It does no more with this processor than the built-in engine.</source>
            <translation>Il ne fait rien de plus avec ce processeur que le moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Nothing on offer is faster here than the built-in engine.</source>
            <translation>Rien de ce qui est proposé n’est plus rapide ici que le moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a card of NVIDIA.</source>
            <translation>Il faut une carte de NVIDIA.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>NVIDIA's driver for your {card} is missing or does not answer: get it from nvidia.com/drivers.</source>
            <translation>Le pilote de NVIDIA pour votre {card} est absent ou ne répond pas : il se trouve sur nvidia.com/drivers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is too old for CUDA {cuda}: its compute capability is {compute}, and {oldest} is needed.</source>
            <translation>Votre {card} est trop ancienne pour CUDA {cuda} : sa capacité de calcul est {compute}, et il faut {oldest}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} has driver {driver}, and CUDA {cuda} needs {oldest} or newer: get it from nvidia.com/drivers.</source>
            <translation>Votre {card} a le pilote {driver}, et CUDA {cuda} demande {oldest} ou plus récent : il se trouve sur nvidia.com/drivers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} needs a driver for CUDA {cuda} or newer, and yours is for {known}: get one from nvidia.com/drivers.</source>
            <translation>Votre {card} demande un pilote pour CUDA {cuda} ou plus récent, et le vôtre est pour {known} : il s’en trouve un sur nvidia.com/drivers.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan works with more cards of AMD, and is a small part of the download.</source>
            <translation>Vulkan fonctionne avec plus de cartes d’AMD, et n’est qu’une petite partie du téléchargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a card of AMD.</source>
            <translation>Il faut une carte d’AMD.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It needs a graphics card.</source>
            <translation>Il faut une carte graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}: its newest driver brings it.</source>
            <translation>Vulkan manque pour votre {card} : son pilote le plus récent l’apporte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Vulkan is missing for your {card}: install the packages libvulkan1 and mesa-vulkan-drivers, or vulkan-loader on Fedora.</source>
            <translation>Vulkan manque pour votre {card} : installez les paquets libvulkan1 et mesa-vulkan-drivers, ou vulkan-loader sur Fedora.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>What is on offer needs GNU's C library, which this Linux does not have.</source>
            <translation>Ce qui est proposé demande la bibliothèque C de GNU, que ce Linux n’a pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} needs a newer Linux, with GNU's C library {needed}: this one has {version}.</source>
            <translation>{build} demande un Linux plus récent, avec la bibliothèque C de GNU {needed} : celui-ci a la {version}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} was tried, and does not work here: {why}.</source>
            <translation>{build} a été essayé, et ne fonctionne pas ici : {why}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>This app comes without an engine made for Windows on ARM</source>
            <translation>Cette application est fournie sans moteur fait pour Windows sur ARM</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine is made for all ARM processors, not for what yours can do</source>
            <translation>Le moteur intégré est fait pour tous les processeurs ARM, non pour ce que le vôtre sait faire</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>This app comes without an engine for Macs with a processor of Intel</source>
            <translation>Cette application est fournie sans moteur pour les Mac à processeur Intel</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>The built-in engine does not run on your processor, which lacks AVX2</source>
            <translation>Le moteur intégré ne fonctionne pas sur votre processeur, qui n’a pas AVX2</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your processor has {extensions}, which the built-in engine does not use</source>
            <translation>Votre processeur a {extensions}, que le moteur intégré n’utilise pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} does the same.</source>
            <translation>{build} fait la même chose.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>It uses no graphics card.</source>
            <translation>Il n’utilise pas de carte graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is faster.</source>
            <translation>{build} est plus rapide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed, and uses your {card}.</source>
            <translation>{build} est installé, et utilise votre {card}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed, and made for your processor.</source>
            <translation>{build} est installé, et fait pour votre processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{build} is installed: {speed:.1f} times as fast as the built-in engine.</source>
            <translation>{build} est installé : {speed:.1f} fois la vitesse du moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Update {old} to {build}: {cost}.</source>
            <translation>Mettre à jour {old} vers {build} : {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>{gain}: {build}, {cost}.</source>
            <translation>{gain} : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>This is a virtual machine without a graphics card of its own.</source>
            <translation>Ceci est une machine virtuelle sans carte graphique à elle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>No graphics card of NVIDIA, AMD or Intel was found.</source>
            <translation>Aucune carte graphique de NVIDIA, AMD ou Intel n’a été trouvée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>As things are, Vulkan can use your {card}: {build}, {cost}.</source>
            <translation>En l’état, Vulkan peut utiliser votre {card} : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Your {card} is a part of the processor and shares its memory, so it may be faster or slower than the processor alone. To try it: {build}, {cost}.</source>
            <translation>Votre {card} fait partie du processeur et partage sa mémoire : elle peut donc être plus rapide ou plus lente que le processeur seul. Pour l’essayer : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card}, not the {other} of the processor: {build}, {cost}.</source>
            <translation>Utilisez votre {card}, et non la {other} du processeur : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/choice.py" />
            <source>Use your {card}: {build}, {cost}.</source>
            <translation>Utilisez votre {card} : {build}, {cost}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>There is no engine in {name}</source>
            <translation>Il n’y a pas de moteur dans {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>It has no program called {names}.</source>
            <translation>Aucun programme ne s’y appelle {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose the archive or folder that was built for {system}.</source>
            <translation>Choisissez l’archive ou le dossier conçu pour {system}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>{name} has more in it than an engine</source>
            <translation>{name} contient plus qu’un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>It has {count:,} files of {size:.1f} GB.</source>
            <translation>Il contient {count:,} fichiers, {size:.1f} Go au total.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Choose the folder that the engine's program is in, and nothing else.</source>
            <translation>Choisissez le dossier qui contient le programme du moteur, et rien d’autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>{reason} ({path}).</source>
            <translation>{reason} ({path}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/contents.py" />
            <source>Check that it is there, and that you may read it.</source>
            <translation>Vérifiez qu’il existe et que vous avez le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is another link</source>
            <translation>{file} est un autre lien</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} was added</source>
            <translation>{file} a été ajouté</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is another</source>
            <translation>{file} n’est plus le même</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installed_files.py" />
            <source>{file} is gone</source>
            <translation>{file} a disparu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Another engine is being installed</source>
            <translation>Un autre moteur est en cours d’installation</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>It is {id}.</source>
            <translation>Il s’agit de {id}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>Wait until it is installed, or cancel it: powerinfer-tray engines remove {id}</source>
            <translation>Attendez qu’il soit installé, ou annulez : powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>The installation failed unexpectedly</source>
            <translation>L’installation a échoué de façon inattendue</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/installing.py" />
            <source>{name} has {size:,} bytes there, but should have {expected:,}.</source>
            <translation>{name} y fait {size:,} octets, mais devrait en faire {expected:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{id} is there twice for {system} ({machine}).</source>
            <translation>{id} y figure deux fois pour {system} ({machine}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>The list of engines on offer cannot be read</source>
            <translation>La liste des moteurs proposés ne peut pas être lue</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>{path}: {why}</source>
            <translation>{path} : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/offers.py" />
            <source>Install the app again, or mend the file.</source>
            <translation>Réinstallez l’application, ou réparez le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install or update NVIDIA's driver, or choose an engine for the processor.</source>
            <translation>Installez ou mettez à jour le pilote de NVIDIA, ou choisissez un moteur pour le processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install AMD's driver, or choose an engine for the processor.</source>
            <translation>Installez le pilote d’AMD, ou choisissez un moteur pour le processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Install the driver of the card's maker, or choose an engine for the processor.</source>
            <translation>Installez le pilote du fabricant de la carte, ou choisissez un moteur pour le processeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} finds no graphics card</source>
            <translation>{name} ne trouve pas de carte graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>It computes with {back_end}, and lists no card for that: there is none, or its driver is missing or too old.</source>
            <translation>Il calcule avec {back_end} et n’indique aucune carte pour cela : il n’y en a pas, ou son pilote manque ou est trop ancien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>{name} does not compute right on this machine</source>
            <translation>{name} ne calcule pas correctement sur cette machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/proof.py" />
            <source>Choose another engine. The one that comes with the app goes on as before.</source>
            <translation>Choisissez un autre moteur. Celui fourni avec l’application continue comme avant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>It would have more than {size:,} bytes.</source>
            <translation>Elle dépasserait {size:,} octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>Its folder is a link.</source>
            <translation>Son dossier est un lien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store.py" />
            <source>{file} contradicts itself.</source>
            <translation>{file} se contredit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>There is no engine “{id}”</source>
            <translation>Il n’y a pas de moteur « {id} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>No engine of this name was installed with this app.</source>
            <translation>Aucun moteur de ce nom n’a été installé avec cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” cannot be used</source>
            <translation>Le moteur « {id} » ne peut pas être utilisé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>What was noted at its installation is missing or damaged: {why}</source>
            <translation>Ce qui a été noté à son installation manque ou est endommagé : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Install it again, or remove it: powerinfer-tray engines remove {id}</source>
            <translation>Réinstallez-le, ou supprimez-le : powerinfer-tray engines remove {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Install it again: powerinfer-tray engines install {id}</source>
            <translation>Réinstallez-le : powerinfer-tray engines install {id}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Install it again from {path}</source>
            <translation>Réinstallez-le à partir de {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” has changed since it was installed</source>
            <translation>Le moteur « {id} » a changé depuis son installation</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{changes}. A virus scanner may have taken or replaced files; the engine is not started.</source>
            <translation>{changes}. Un antivirus a peut-être retiré ou remplacé des fichiers ; le moteur n’est pas démarré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{told} and {count} more</source>
            <translation>{told} et {count} de plus</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{again}. If it comes again, have the virus scanner leave its folder alone.</source>
            <translation>{again}. Si cela se reproduit, excluez son dossier de l’antivirus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>A program has its files open: the engine itself, or one that looks through them.</source>
            <translation>Un programme a ses fichiers ouverts : le moteur lui-même, ou un autre qui les examine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Stop the server, and try again.</source>
            <translation>Arrêtez le serveur et réessayez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The folder of the engines cannot be read</source>
            <translation>Le dossier des moteurs ne peut pas être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>{path}: {reason}</source>
            <translation>{path} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Check the rights of this folder.</source>
            <translation>Vérifiez les droits de ce dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The folder of the engines cannot be written to</source>
            <translation>Impossible d’écrire dans le dossier des moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Check the rights of this folder, and the space on its disk.</source>
            <translation>Vérifiez les droits de ce dossier et l’espace libre sur son disque.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engines are being changed by another program</source>
            <translation>Un autre programme est en train de modifier les moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>It has locked {folder}.</source>
            <translation>Il a verrouillé {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Try again when it has finished; if it stays so, end the other PowerInfer Tray.</source>
            <translation>Réessayez quand il aura fini ; si cela persiste, quittez l’autre PowerInfer Tray.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The engine “{id}” cannot be kept</source>
            <translation>Le moteur « {id} » ne peut pas être conservé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>The list of its files cannot be written: {why}</source>
            <translation>La liste de ses fichiers ne peut pas être écrite : {why}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/store_errors.py" />
            <source>Give its files and folders names in plain letters.</source>
            <translation>Donnez à ses fichiers et dossiers des noms en lettres simples.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} {release} for {cards} ({back_end})</source>
            <translation>{engine} {release} pour {cards} ({back_end})</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{sizes} from {place}; terms: {terms}</source>
            <translation>{sizes} depuis {place} ; conditions : {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{size:.0f} MB</source>
            <translation>{size:.0f} Mo</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without a network: fetch {name} from {address} on another computer, bring it here, and choose it with «From a File…» or type: powerinfer-tray engines install {name}</source>
            <translation>Sans réseau : récupérez {name} à l’adresse {address} sur un autre ordinateur, apportez-le ici et choisissez-le avec « Depuis un fichier… », ou tapez : powerinfer-tray engines install {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Without a network: fetch {names} from {address} on another computer, bring them here in one folder, and choose that with «From a Folder…» or type: powerinfer-tray engines install FOLDER</source>
            <translation>Sans réseau : récupérez {names} à l’adresse {address} sur un autre ordinateur, apportez-les ici dans un même dossier et choisissez-le avec « Depuis un dossier… », ou tapez : powerinfer-tray engines install DOSSIER</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used, as the setting «Engine» says.</source>
            <translation>{engine} est utilisé, comme le dit le réglage « Moteur ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: no other engine here can run this model.</source>
            <translation>{engine} est utilisé : aucun autre moteur ne peut exécuter ce modèle ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: it is the fastest that is installed and proven here.</source>
            <translation>{engine} est utilisé : c’est le plus rapide qui soit installé et éprouvé ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: it was measured {speed:.1f} times as fast as the built-in engine.</source>
            <translation>{engine} est utilisé : mesuré, il va {speed:.1f} fois à la vitesse du moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: there is no built-in engine for this machine.</source>
            <translation>{engine} est utilisé : il n’y a pas de moteur intégré pour cette machine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used.</source>
            <translation>{engine} est utilisé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>{engine} is used: no other one is installed that could be faster.</source>
            <translation>{engine} est utilisé : aucun autre, qui pourrait être plus rapide, n’est installé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Not {build}: {reason}</source>
            <translation>Et non {build} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>NVIDIA</source>
            <translation>NVIDIA</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>AMD</source>
            <translation>AMD</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>graphics cards</source>
            <translation>cartes graphiques</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>Apple Silicon</source>
            <translation>Apple Silicon</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>the processor</source>
            <translation>le processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>The built-in llama.cpp</source>
            <translation>Le llama.cpp intégré</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>PowerInfer</source>
            <translation>PowerInfer</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/builds/wording.py" />
            <source>A server on another machine</source>
            <translation>Un serveur sur une autre machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install PowerInfer's server and set «Engine» to its path in the settings, or choose a plain GGUF model.</source>
            <translation>Installez le serveur PowerInfer et indiquez son chemin dans « Moteur » dans les paramètres, ou choisissez un modèle GGUF ordinaire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>This model needs the PowerInfer engine</source>
            <translation>Ce modèle a besoin du moteur PowerInfer</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It is a sparse model, and the chosen engine is {kind}.</source>
            <translation>C’est un modèle creux, et le moteur choisi est {kind}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Set «Engine» to auto, or to the path of a PowerInfer server.</source>
            <translation>Mettez « Moteur » sur auto, ou sur le chemin d’un serveur PowerInfer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It was not measured to be faster than the built-in engine.</source>
            <translation>Aucune mesure ne le montre plus rapide que le moteur intégré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The chosen engine is a server on another machine</source>
            <translation>Le moteur choisi est un serveur sur une autre machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>It runs models of its own, none of this machine.</source>
            <translation>Il exécute ses propres modèles, pas ceux de cette machine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Set «Engine» to auto to run models here.</source>
            <translation>Réglez « Moteur » sur auto pour exécuter des modèles ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no llama-server on this machine</source>
            <translation>Il n’y a pas de llama-server sur cette machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No folder of the PATH has a program of that name.</source>
            <translation>Aucun dossier du PATH ne contient de programme de ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server, or set «Engine» to its full path in the settings.</source>
            <translation>Installez llama-server de llama.cpp, ou indiquez son chemin complet dans « Moteur » dans les réglages.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The engine {name} is not installed</source>
            <translation>Le moteur {name} n’est pas installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>No build of it for {back_end} was installed with this app.</source>
            <translation>Aucune version pour {back_end} n’a été installée avec cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install one: powerinfer-tray engines install ID. What is on offer: powerinfer-tray engines list. Or set «Engine» to auto.</source>
            <translation>Installez-en un : powerinfer-tray engines install ID. Ce qui est proposé : powerinfer-tray engines list. Ou réglez « Moteur » sur auto.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no PowerInfer engine on this machine</source>
            <translation>Il n’y a pas de moteur PowerInfer sur cette machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>None was found in the settings, in this app or on the PATH.</source>
            <translation>Aucun n’a été trouvé dans les paramètres, dans cette application ou dans le PATH.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>There is no llama.cpp engine on this machine</source>
            <translation>Il n’y a pas de moteur llama.cpp sur cette machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>The one that comes with this app does not exist for this kind of machine.</source>
            <translation>Celui qui accompagne cette application n’existe pas pour ce type de machine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/choosing.py" />
            <source>Install llama.cpp's llama-server and set «Engine» to its path in the settings.</source>
            <translation>Installez llama-server de llama.cpp et indiquez son chemin dans « Moteur » dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The system cannot start the engine just now</source>
            <translation>Le système ne peut pas démarrer le moteur pour l’instant</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It says: {reason}.</source>
            <translation>Il indique : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It is tried again. If it goes on, close other programs.</source>
            <translation>Une nouvelle tentative a lieu. Si cela persiste, fermez d’autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine could not be started</source>
            <translation>Le moteur n’a pas pu être démarré</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>Or set «Engine» to auto: another engine then takes its place when it fails.</source>
            <translation>Ou réglez « Moteur » sur auto : un autre moteur prend alors sa place s’il échoue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>{hint} {other}</source>
            <translation>{hint} {other}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine hangs</source>
            <translation>Le moteur est bloqué</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>For {seconds:.0f} seconds it has done nothing that was asked of it.</source>
            <translation>Pendant {seconds:.0f} secondes, il n’a rien fait de ce qui lui était demandé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>If it happens again, choose another model or engine.</source>
            <translation>Si cela se reproduit, choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>This model's file makes the engine use more than it should</source>
            <translation>Le fichier de ce modèle fait consommer trop de ressources au moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the file can do that. Choose another model, or get this one from its maker.</source>
            <translation>Le modèle de conversation contenu dans le fichier peut en être la cause. Choisissez un autre modèle, ou obtenez celui-ci auprès de son éditeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>A request makes the engine use more than it should</source>
            <translation>Une requête fait consommer trop de ressources au moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>For {seconds:.0f} seconds it has computed and worked on nothing.</source>
            <translation>Il calcule depuis {seconds:.0f} secondes sans traiter de requête.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The chat template in the model's file can do that. If it happens again, choose another model.</source>
            <translation>Le modèle de conversation contenu dans le fichier peut en être la cause. Si cela se reproduit, choisissez un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The model was read from {model}.</source>
            <translation>Le modèle était lu depuis {model}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>When it is there again, the server starts by itself. Or choose another model.</source>
            <translation>Dès qu’il sera de nouveau là, le serveur démarrera de lui-même. Ou choisissez un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine ended by itself</source>
            <translation>Le moteur s’est arrêté de lui-même</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>It ended with {name}.</source>
            <translation>Il s’est terminé avec {name}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/diagnosis.py" />
            <source>The engine's log says more.</source>
            <translation>Le journal du moteur en dit plus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Download the model again, or choose another one.</source>
            <translation>Téléchargez à nouveau le modèle, ou choisissez-en un autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Lower the context size, choose a smaller model, or close other programs.</source>
            <translation>Réduisez la taille du contexte, choisissez un modèle plus petit ou fermez d’autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The system does not run {named}.</source>
            <translation>Le système n’exécute pas {named}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>If it has vanished, a virus scanner may have taken it: install it again, or choose another.</source>
            <translation>S’il a disparu, un antivirus l’a peut-être retiré : réinstallez-le, ou choisissez-en un autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine's port was taken by another program</source>
            <translation>Le port du moteur a été pris par un autre programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Somebody else took the free port that was chosen for it.</source>
            <translation>Quelqu’un d’autre a pris le port libre qui lui était destiné.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is started again with another port.</source>
            <translation>Il est redémarré avec un autre port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is short of memory, processes or open files, or the program is being written: {named}.</source>
            <translation>Il manque de mémoire, de processus ou de fichiers ouverts, ou le programme est en cours d’écriture : {named}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough memory for this model</source>
            <translation>Il n’y a pas assez de mémoire pour ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine asked for more than the machine could give.</source>
            <translation>Le moteur a demandé plus que la machine ne pouvait donner.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use this model</source>
            <translation>Le moteur ne peut pas utiliser ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The file's header does not match its weights, or this engine does not support it.</source>
            <translation>L’en-tête du fichier ne correspond pas à ses poids, ou ce moteur ne le prend pas en charge.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Download the model again, or choose another model or engine.</source>
            <translation>Téléchargez à nouveau le modèle, ou choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept the value of {named}</source>
            <translation>Le moteur n’accepte pas la valeur de {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was started with a value that it cannot use, or without one.</source>
            <translation>Il a été démarré avec une valeur qu’il ne peut pas utiliser, ou sans valeur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct it in the settings. It may stand in «Extra arguments».</source>
            <translation>Corrigez-la dans les paramètres. Elle se trouve peut-être dans « Arguments supplémentaires ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine aborted</source>
            <translation>Le moteur s’est interrompu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It hit an internal error and aborted.</source>
            <translation>Il a rencontré une erreur interne et s’est interrompu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Its last lines say more. If it happens again, choose another model or engine.</source>
            <translation>Ses dernières lignes en disent plus. Si cela se reproduit, choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not know the argument {named}</source>
            <translation>Le moteur ne connaît pas l’argument {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It does not recognize this argument.</source>
            <translation>Il ne reconnaît pas cet argument.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Remove it from «Extra arguments» in the settings, or correct its name there.</source>
            <translation>Retirez-le de « Arguments supplémentaires » dans les paramètres, ou corrigez-y son nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The built-in engine does not have the argument {named}</source>
            <translation>Le moteur intégré n’a pas l’argument {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is one of llama-server's that the library of llama.cpp in this app cannot be told.</source>
            <translation>C’est un argument de llama-server qui ne peut pas être transmis à la bibliothèque llama.cpp de cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Remove it from «Extra arguments», or set «Engine» to a llama-server of your own.</source>
            <translation>Retirez-le de « Arguments supplémentaires », ou indiquez dans « Moteur » votre propre llama-server.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot read what {named} names</source>
            <translation>Le moteur ne peut pas lire ce que {named} désigne</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is no such file or folder, or it may not be read.</source>
            <translation>Ce fichier ou dossier n’existe pas, ou ne peut pas être lu.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct «Extra arguments» in the settings. A path must be a whole one there.</source>
            <translation>Corrigez « Arguments supplémentaires » dans les paramètres. Les chemins doivent y être complets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the projector {named}</source>
            <translation>Le moteur ne peut pas utiliser le projecteur {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was made for another model, or this engine does not know its kind.</source>
            <translation>Il a été fait pour un autre modèle, ou ce moteur n’en connaît pas le type.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Set «Projector» of this model to the mmproj file that was made for it, or to none. It may also stand in «Extra arguments».</source>
            <translation>Réglez « Projecteur » de ce modèle sur le fichier mmproj fait pour lui, ou sur none. Il peut aussi figurer dans « Arguments supplémentaires ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot use the file {named}</source>
            <translation>Le moteur ne peut pas utiliser le fichier {named}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is not of the kind that the extra argument needs, or was made for another model.</source>
            <translation>Il n’est pas du type qu’exige l’argument supplémentaire, ou a été créé pour un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct «Extra arguments» in the settings.</source>
            <translation>Corrigez « Arguments supplémentaires » dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not accept the value of an argument</source>
            <translation>Le moteur n’accepte pas la valeur d’un argument</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was started with something that is no number where it needs one.</source>
            <translation>Il a été démarré avec autre chose qu’un nombre là où il en faut un.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine needs a newer system</source>
            <translation>Le moteur demande un système plus récent</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for one that has {named}, which this one lacks.</source>
            <translation>Il a été conçu pour un système qui dispose de {named}, absent de celui-ci.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Use the engine that comes with the app, or one that was built on this system or an older one.</source>
            <translation>Utilisez le moteur fourni avec l’application, ou un moteur construit sur ce système ou un plus ancien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine lacks a system library</source>
            <translation>Il manque au moteur une bibliothèque du système</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It needs {named}, which is not on this machine.</source>
            <translation>Il a besoin de {named}, qui n’est pas sur cette machine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install the package that contains it, or choose another engine in the settings.</source>
            <translation>Installez le paquet qui la contient, ou choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install what contains it, or choose another engine in the settings.</source>
            <translation>Installez ce qui la contient, ou choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine finds no NVIDIA graphics card</source>
            <translation>Le moteur ne trouve pas de carte graphique NVIDIA</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for one, and there is none, or its driver is missing or too old.</source>
            <translation>Il a été conçu pour en utiliser une, et il n’y en a pas, ou son pilote est absent ou trop ancien.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built without CUDA, or install NVIDIA's driver.</source>
            <translation>Choisissez un moteur compilé sans CUDA, ou installez le pilote de NVIDIA.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This PowerInfer cannot compute the model with one thread</source>
            <translation>Ce PowerInfer ne peut pas calculer le modèle avec un seul thread</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It was built for graphics cards. With a part of a sparse model in main memory it asks for more threads, and then loses parts of sums.</source>
            <translation>Il a été compilé pour les cartes graphiques. Quand une partie d’un modèle creux est en mémoire principale, il exige plusieurs threads, et perd alors des parties de sommes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose a PowerInfer server that was built without CUDA, or a model that graphics memory holds.</source>
            <translation>Choisissez un serveur PowerInfer compilé sans CUDA, ou un modèle qui tient dans la mémoire graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is a sparse model, which other engines cannot read.</source>
            <translation>C’est un modèle creux, que les autres moteurs ne savent pas lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose a PowerInfer server as the engine in the settings.</source>
            <translation>Choisissez un serveur PowerInfer comme moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is not a model</source>
            <translation>Le fichier de modèle n’est pas un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Its first bytes are not those of a GGUF file.</source>
            <translation>Ses premiers octets ne sont pas ceux d’un fichier GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is gone</source>
            <translation>Le fichier de modèle a disparu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is no {named}.</source>
            <translation>{named} n’existe pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Put it back, or choose another model.</source>
            <translation>Remettez-le en place, ou choisissez un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model file is not whole</source>
            <translation>Le fichier de modèle n’est pas entier</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It ends before its last weight.</source>
            <translation>Il se termine avant son dernier poids.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine does not know models of the kind «{named}»</source>
            <translation>Le moteur ne connaît pas les modèles du type « {named} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine is too old for this architecture, or was built without it.</source>
            <translation>Ce moteur est trop ancien pour cette architecture, ou a été compilé sans elle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose another model, or another engine in the settings.</source>
            <translation>Choisissez un autre modèle, ou un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>There is not enough graphics memory for this model</source>
            <translation>La mémoire graphique ne suffit pas pour ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine asked for more than the card could give; other programs may have some of it.</source>
            <translation>Le moteur a demandé plus que la carte ne peut donner ; d’autres programmes en occupent peut-être une partie.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Set a smaller «VRAM budget» or context size, or close other programs that use the card.</source>
            <translation>Réduisez le « Budget VRAM » ou la taille du contexte, ou fermez les autres programmes qui utilisent la carte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine cannot work with these settings</source>
            <translation>Le moteur ne peut pas fonctionner avec ces réglages</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It says: {named}.</source>
            <translation>Il indique : {named}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Correct the settings. It may stand in «Extra arguments».</source>
            <translation>Corrigez les paramètres. La cause se trouve peut-être dans « Arguments supplémentaires ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine does not suit this processor</source>
            <translation>Ce moteur ne convient pas à ce processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It uses an instruction that the processor does not have.</source>
            <translation>Il utilise une instruction que le processeur n’a pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Choose an engine that was built for older processors.</source>
            <translation>Choisissez un moteur compilé pour des processeurs plus anciens.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine crashed</source>
            <translation>Le moteur a planté</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It reached for memory that is not there. A damaged model file can be the reason.</source>
            <translation>Il a voulu accéder à une mémoire inexistante. Un fichier de modèle endommagé peut en être la cause.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The model could not be read any more</source>
            <translation>Le modèle ne pouvait plus être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Its file was cut short, or its drive went away, while the engine used it.</source>
            <translation>Son fichier a été tronqué, ou son lecteur a disparu, pendant que le moteur l’utilisait.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Connect the drive again, or download the model again.</source>
            <translation>Reconnectez le lecteur, ou téléchargez à nouveau le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>The engine was ended from outside</source>
            <translation>Le moteur a été arrêté de l’extérieur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Another program ended it, or the system did for want of memory.</source>
            <translation>Un autre programme l’a arrêté, ou le système l’a fait par manque de mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Somebody pressed Ctrl-C, closed its window or logged off.</source>
            <translation>Quelqu’un a appuyé sur Ctrl-C, fermé sa fenêtre ou fermé la session.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It is started again.</source>
            <translation>Il est redémarré.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>A DLL that it needs is not on this machine, or is another version of it.</source>
            <translation>Une DLL dont il a besoin n’est pas sur cette machine, ou en est une autre version.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Install Microsoft's Visual C++ runtime, or choose another engine in the settings.</source>
            <translation>Installez le runtime Visual C++ de Microsoft, ou choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>This engine was built for another kind of machine</source>
            <translation>Ce moteur a été conçu pour un autre type de machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>It, or a DLL that it needs, does not suit this Windows.</source>
            <translation>Lui, ou une DLL dont il a besoin, ne convient pas à cette version de Windows.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>A DLL failed to initialize. This also happens while Windows is shutting down.</source>
            <translation>Une DLL n’a pas pu être initialisée. Cela se produit aussi pendant l’arrêt de Windows.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/failure_patterns.py" />
            <source>Try again. If it happens again, choose another engine in the settings.</source>
            <translation>Réessayez. Si cela se reproduit, choisissez un autre moteur dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>PowerInfer computes sparse models wrongly with several threads, so they get one.</source>
            <translation>Avec plusieurs threads, PowerInfer calcule mal les modèles creux : il n’en utilise qu’un.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Only sparse models need several processes; this one is computed by several threads.</source>
            <translation>Seuls les modèles creux ont besoin de plusieurs processus ; celui-ci est calculé par plusieurs threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The server on the other machine decides this.</source>
            <translation>C’est le serveur sur l’autre machine qui en décide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model has no such option.</source>
            <translation>Le moteur qui exécute ce modèle n’a pas cette option.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>Apple Silicon shares its memory with the GPU, so there is no budget to set.</source>
            <translation>Les puces Apple Silicon partagent leur mémoire avec le GPU : il n’y a pas de budget à régler.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>This machine has no NVIDIA GPU that the engine could use.</source>
            <translation>Cette machine n’a pas de GPU NVIDIA que le moteur pourrait utiliser.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model cannot use a VRAM budget.</source>
            <translation>Le moteur qui exécute ce modèle ne peut pas utiliser de budget VRAM.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/ineffective_settings.py" />
            <source>The engine that runs this model computes with no graphics card.</source>
            <translation>Le moteur qui exécute ce modèle ne calcule avec aucune carte graphique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Choose a PowerInfer server or a llama-server program.</source>
            <translation>Choisissez un serveur PowerInfer ou un programme llama-server.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>There is no engine at {path}</source>
            <translation>Il n’y a pas de moteur à {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is a folder.</source>
            <translation>C’est un dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It is not a file.</source>
            <translation>Ce n’est pas un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} was built for another kind of machine</source>
            <translation>{name} a été conçu pour un autre type de machine</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It runs on {system} ({machines}); this is {here} ({machine}).</source>
            <translation>Il fonctionne sous {system} ({machines}) ; cette machine est sous {here} ({machine}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>Get the one for {system} ({machine}), or choose another engine.</source>
            <translation>Procurez-vous celui pour {system} ({machine}), ou choisissez un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not executable</source>
            <translation>{name} n’est pas exécutable</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>The file has no execute permission.</source>
            <translation>Le fichier n’a pas le droit d’exécution.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If it is an engine that you trust: chmod +x '{path}'</source>
            <translation>Si c’est un moteur auquel vous faites confiance : chmod +x '{path}'</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not an engine</source>
            <translation>{name} n’est pas un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It did not answer when asked for its options.</source>
            <translation>Il n’a pas répondu quand ses options lui ont été demandées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>macOS does not let {name} run</source>
            <translation>macOS ne laisse pas {name} s’exécuter</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>It was downloaded, and macOS has marked it so.</source>
            <translation>Il a été téléchargé, et macOS l’a marqué ainsi.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>If you trust it: xattr -d com.apple.quarantine '{path}'</source>
            <translation>Si vous lui faites confiance : xattr -d com.apple.quarantine '{path}'</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/inspection.py" />
            <source>{name} is not a program</source>
            <translation>{name} n’est pas un programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>The engine {name} finds no graphics card</source>
            <translation>Le moteur {name} ne trouve pas de carte graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>It lists none that it could compute with.</source>
            <translation>Il n’en énumère aucune avec laquelle il pourrait calculer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Look whether the card's driver works, or set «Engine» to auto.</source>
            <translation>Vérifiez que le pilote de la carte fonctionne, ou réglez « Moteur » sur auto.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/kinds.py" />
            <source>Its --help output does not look like that of a model server.</source>
            <translation>Sa sortie de --help ne ressemble pas à celle d’un serveur de modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>The engine cannot open a file with the name {name}</source>
            <translation>Le moteur ne peut pas ouvrir un fichier nommé {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It takes letters of UTF-8 only, and a link cannot be made: {reason}.</source>
            <translation>Il n’accepte que les noms en UTF-8, et un lien ne peut pas être créé : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file so that its name has letters only.</source>
            <translation>Renommez le fichier pour que son nom ne contienne que des caractères valides.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>PowerInfer cannot open a file with the name {name}</source>
            <translation>PowerInfer ne peut pas ouvrir un fichier nommé {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>It knows plain letters only, and another name cannot be given here: {reason}.</source>
            <translation>Il ne connaît que les lettres simples, et un autre nom ne peut pas être donné ici : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_dir.py" />
            <source>Rename the file so that it has only letters from a to z and digits, or move it to an NTFS disk.</source>
            <translation>Renommez le fichier avec seulement des lettres de a à z et des chiffres, ou déplacez-le sur un disque NTFS.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server has no address</source>
            <translation>Le serveur distant n’a pas d’adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>«{url}» is not the address of a server.</source>
            <translation>« {url} » n’est pas l’adresse d’un serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The setting «Remote address» is empty.</source>
            <translation>Le réglage « Adresse distante » est vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Give its base URL, as http://192.168.1.20:8000/v1.</source>
            <translation>Indiquez son URL de base, par exemple http://192.168.1.20:8000/v1.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>The remote server cannot be this app itself</source>
            <translation>Le serveur distant ne peut pas être cette application elle-même</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>{url} is the address that this app offers.</source>
            <translation>{url} est l’adresse que propose cette application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/launch_plan.py" />
            <source>Give the address of the other machine.</source>
            <translation>Indiquez l’adresse de l’autre machine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>It took {taken:.1f} GiB of memory while it loaded.</source>
            <translation>Il a pris {taken:.1f} Gio de mémoire pendant le chargement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/load_limits.py" />
            <source>It computed for {seconds:.0f} seconds while it loaded, and printed and read nothing.</source>
            <translation>Pendant le chargement, il a calculé {seconds:.0f} secondes sans rien afficher ni lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set «Context size» instead: it keeps requests within what the engine can take.</source>
            <translation>Réglez plutôt « Taille du contexte » : elle maintient les requêtes dans les limites du moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set «Model» instead.</source>
            <translation>Réglez plutôt « Modèle ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine would download by itself. Download with this app, and set «Model».</source>
            <translation>Le moteur téléchargerait de lui-même. Téléchargez avec cette application, et réglez « Modèle ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine answers to this app alone; programs use the gateway's address.</source>
            <translation>Le moteur ne répond qu’à cette application ; les programmes utilisent l’adresse de la passerelle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Only this app asks the engine. For a key of programs: powerinfer-tray key set gateway</source>
            <translation>Seule cette application interroge le moteur. Pour une clé destinée aux programmes : powerinfer-tray key set gateway</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine answers to this app alone, and runs nothing for web pages or models.</source>
            <translation>Le moteur ne répond qu’à cette application, et n’exécute rien pour des pages web ou des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine always answers with embeddings and with text, whichever it is asked for.</source>
            <translation>Le moteur fournit toujours des embeddings et du texte, selon ce qui lui est demandé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>With a cache for each, the engine pools the texts of a list wrongly: this app decides.</source>
            <translation>Avec un cache pour chacun, le moteur agrège mal les textes d’une liste : c’est cette application qui décide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>The engine gets a free port of its own; programs use the setting «Port».</source>
            <translation>Le moteur reçoit un port libre qui lui est propre ; les programmes utilisent le réglage « Port ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Comments in a stream stop some programs.</source>
            <translation>Des commentaires dans un flux bloquent certains programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Set «Stop when idle» instead.</source>
            <translation>Réglez plutôt « Arrêter en cas d’inactivité ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>With it, an engine prints something and ends.</source>
            <translation>Avec lui, un moteur affiche un texte et se termine.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>PowerInfer mixes up requests that it works on at the same time, and dies of it.</source>
            <translation>PowerInfer confond les requêtes qu’il traite en même temps, et s’arrête à cause de cela.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>«Extra arguments» cannot have {flag}</source>
            <translation>« Arguments supplémentaires » ne peut pas contenir {flag}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/owned_arguments.py" />
            <source>Remove it there.</source>
            <translation>Retirez-le de ce champ.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>It needs {needed:.2f} GiB, and all models together may take {budget:.2f} GiB.</source>
            <translation>Il lui faut {needed:.2f} Gio, et tous les modèles ensemble peuvent prendre {budget:.2f} Gio.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>Choose a smaller model or context size, or set another budget: powerinfer-tray settings set memory_budget GIB</source>
            <translation>Choisissez un modèle ou un contexte plus petit, ou fixez un autre budget : powerinfer-tray settings set memory_budget GIB</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>{numbers} Of these, {free:.2f} GiB are free of models that are kept loaded; these would have to go: {models}.</source>
            <translation>{numbers} De ceux-ci, {free:.2f} Gio sont libres de modèles gardés chargés ; il faudrait décharger : {models}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>Unload one of them: powerinfer-tray unload {model}</source>
            <translation>Déchargez-en un : powerinfer-tray unload {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>{name} does not fit into the memory for models</source>
            <translation>{name} ne tient pas dans la mémoire prévue pour les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>The model could not be loaded</source>
            <translation>Le modèle n'a pas pu être chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>This is a defect of the app: {reason}</source>
            <translation>C’est un défaut de l’application : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/pool.py" />
            <source>See the app's log.</source>
            <translation>Consultez le journal de l'application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot make embeddings with this model</source>
            <translation>Le moteur ne peut pas calculer d’embeddings avec ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>The engine cannot rank with this model</source>
            <translation>Le moteur ne peut pas faire de classement avec ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Choose another model or another engine.</source>
            <translation>Choisissez un autre modèle ou un autre moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>It answers with HTTP status {status}.</source>
            <translation>Il répond avec le statut HTTP {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answer cannot be understood.</source>
            <translation>Sa réponse est incompréhensible.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain values that are no numbers.</source>
            <translation>Ses réponses contiennent des valeurs qui ne sont pas des nombres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/probe.py" />
            <source>Its answers contain nothing but zeros.</source>
            <translation>Ses réponses ne contiennent que des zéros.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server is no longer used</source>
            <translation>Le serveur distant n’est plus utilisé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server refuses the key</source>
            <translation>Le serveur distant refuse la clé</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url} answers with HTTP status {status}.</source>
            <translation>{url} répond avec le statut HTTP {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Enter the key that its owner has set: in the settings under Engine, or with powerinfer-tray key set remote</source>
            <translation>Saisissez la clé définie par son propriétaire : dans les paramètres sous Moteur, ou avec powerinfer-tray key set remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server offers no models</source>
            <translation>Le serveur distant ne propose aucun modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}/models answers with HTTP status {status} and no list of models.</source>
            <translation>{url}/models répond avec le statut HTTP {status} et aucune liste de modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check the address: the base URL of such a server mostly ends in /v1. If it has no list of models, enter its model under «Remote model».</source>
            <translation>Vérifiez l’adresse : l’URL de base d’un tel serveur se termine le plus souvent par /v1. S’il n’a pas de liste de modèles, saisissez son modèle sous « Modèle distant ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server has no model «{model}»</source>
            <translation>Le serveur distant n’a pas de modèle « {model} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>It offers {names}.</source>
            <translation>Il propose {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Choose one of these, or leave the setting «Remote model» empty.</source>
            <translation>Choisissez l’un d’eux, ou laissez vide le réglage « Modèle distant ».</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>The remote server does not answer</source>
            <translation>Le serveur distant ne répond pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>{url}: {reason}.</source>
            <translation>{url} : {reason}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/remote_engine.py" />
            <source>Check that it runs and that this computer can reach it. It is asked again from time to time.</source>
            <translation>Vérifiez qu’il fonctionne et que cet ordinateur peut le joindre. Il est interrogé de temps en temps.</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>The engine's supervisor has failed</source>
            <translation>Le superviseur du moteur a échoué</translation>
        </message>
        <message>
            <location filename="../../tray_app/engine/supervisor.py" />
            <source>Restart the app.</source>
            <translation>Redémarrez l’application.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The app did not answer</source>
            <translation>L’application n’a pas répondu</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Another program answers in its place, and was told nothing.</source>
            <translation>Un autre programme répond à sa place ; rien ne lui a été transmis.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Start PowerInfer Tray again.</source>
            <translation>Redémarrez PowerInfer Tray.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The running app refused</source>
            <translation>L’application en cours d’exécution a refusé</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It answered with status {status}.</source>
            <translation>Elle a répondu avec le statut {status}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>Version {version} runs</source>
            <translation>La version {version} est en cours d’exécution</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>The PowerInfer Tray that runs (PID {pid}) is of another version</source>
            <translation>Le PowerInfer Tray en cours d’exécution (PID {pid}) est d’une autre version</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>{runs}, which does not know “{name}”; this command is of version {ours}.</source>
            <translation>{runs} et ne connaît pas « {name} » ; cette commande est de la version {ours}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>End it and start it again: powerinfer-tray quit, then powerinfer-tray.</source>
            <translation>Fermez-le et relancez-le : powerinfer-tray quit, puis powerinfer-tray.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray has ended</source>
            <translation>PowerInfer Tray s’est arrêté</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It ran (PID {pid}), and did not answer any more.</source>
            <translation>Il était en cours d’exécution (PID {pid}) et ne répond plus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>What it was doing has stopped with it. Give the command again.</source>
            <translation>Ce qu’il faisait s’est arrêté avec lui. Relancez la commande.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray runs (PID {pid}), but does not answer</source>
            <translation>PowerInfer Tray est en cours d’exécution (PID {pid}), mais ne répond pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It was asked and has said nothing for {seconds:.0f} s.</source>
            <translation>Interrogée, elle ne dit rien depuis {seconds:.0f} s.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>It may be busy: try again in a moment. If it stays so, end that process.</source>
            <translation>Il est peut-être occupé : réessayez dans un instant. Si cela persiste, terminez ce processus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>PowerInfer Tray cannot be reached</source>
            <translation>PowerInfer Tray est injoignable</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>A program holds {path}, as a running PowerInfer Tray does, but none answers.</source>
            <translation>Un programme détient {path}, comme le fait PowerInfer Tray en cours d’exécution, mais aucun ne répond.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/control/client.py" />
            <source>If one runs, end it and start it again. If not, delete this file.</source>
            <translation>Si PowerInfer Tray est en cours d’exécution, quittez-le et redémarrez-le. Sinon, supprimez ce fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer in time</source>
            <translation>Le serveur n’a pas répondu à temps</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>{url} has said nothing for {seconds:.0f} s.</source>
            <translation>{url} n’a rien dit depuis {seconds:.0f} s.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Try again later, or look at its log.</source>
            <translation>Réessayez plus tard, ou consultez son journal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>The server did not answer</source>
            <translation>Le serveur n’a pas répondu</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Nobody answers at {url}.</source>
            <translation>Personne ne répond à {url}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Start the server, or look at its log.</source>
            <translation>Démarrez le serveur, ou consultez son journal.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>Unexpected answer from the server</source>
            <translation>Réponse inattendue du serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/loopback.py" />
            <source>It has status {status}, and is not what this app expects.</source>
            <translation>Elle a le statut {status} et n’est pas ce que cette application attend.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The answer broke off</source>
            <translation>La réponse s’est interrompue</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The server closed the connection.</source>
            <translation>Le serveur a fermé la connexion.</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>The server refused the text</source>
            <translation>Le serveur a refusé le texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/gateway/public_client.py" />
            <source>An event of the stream is not what this app expects.</source>
            <translation>Un événement du flux n’est pas ce que cette application attend.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the best of those that fit.</source>
            <translation>C’est le meilleur de ceux qui tiennent en mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It is the only one.</source>
            <translation>C’est le seul.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, but leaves little memory to other programs.</source>
            <translation>Il tient en mémoire, mais en laisse peu aux autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>No better one fits. With only {bits} bits a weight, answers get worse: a smaller model may do better.</source>
            <translation>Aucun meilleur ne tient en mémoire. Avec seulement {bits} bits par poids, les réponses sont moins bonnes : un modèle plus petit peut faire mieux.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, loses little, and answers about twice as fast as with 8 bits a weight.</source>
            <translation>Il tient en mémoire, perd peu et répond environ deux fois plus vite qu’avec 8 bits par poids.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and with {bits} bits a weight its results are nearly exact.</source>
            <translation>Il tient en mémoire et, avec {bits} bits par poids, ses résultats sont presque exacts.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/best_file.py" />
            <source>It fits, and a small model loses much with fewer than its {bits} bits a weight.</source>
            <translation>Il tient en mémoire, et un petit modèle perd beaucoup avec moins que ses {bits} bits par poids.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>From your own list.</source>
            <translation>De votre propre liste.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The address names no model</source>
            <translation>L’adresse ne désigne aucun modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>“{source}” does not tell the name of a .gguf file.</source>
            <translation>« {source} » n’indique pas le nom d’un fichier .gguf.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>The catalogue of models cannot be read</source>
            <translation>Le catalogue des modèles ne peut pas être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: {reason}</source>
            <translation>{id} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>{id}: there is another model with {name}.</source>
            <translation>{id} : il existe un autre modèle avec {name}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Your own list of models cannot be used</source>
            <translation>Votre propre liste de modèles ne peut pas être utilisée</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/catalog.py" />
            <source>Each entry needs an id and a source: [[models]] id = "mine" source = "hf:owner/repo/file.gguf"</source>
            <translation>Chaque entrée doit avoir un id et une source : [[models]] id = "mine" source = "hf:owner/repo/file.gguf"</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>a projector file</source>
            <translation>un fichier de projection</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>an adapter file</source>
            <translation>un fichier adaptateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>a supplement file</source>
            <translation>un fichier complémentaire</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The file is empty.</source>
            <translation>Le fichier est vide.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download it again.</source>
            <translation>Téléchargez-le à nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is an HTML page, probably the page that describes the file.</source>
            <translation>C’est une page HTML, sans doute celle qui décrit le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download the file itself: on Hugging Face its address has /resolve/ where the page has /blob/.</source>
            <translation>Téléchargez le fichier lui-même : sur Hugging Face, son adresse contient /resolve/ là où la page a /blob/.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is a Git LFS pointer, that only stands for the file.</source>
            <translation>C’est un pointeur Git LFS, qui ne fait que représenter le fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Run «git lfs pull», or download it.</source>
            <translation>Exécutez « git lfs pull », ou téléchargez-le.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It begins with {bytes}, and not with GGUF or PWRI.</source>
            <translation>Il commence par {bytes}, et non par GGUF ou PWRI.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>No model is chosen</source>
            <translation>Aucun modèle n’est choisi</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The setting «model» is empty, and the server needs a model to run.</source>
            <translation>Le réglage « model » est vide, et le serveur a besoin d’un modèle pour fonctionner.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose one on the page Models, or try the built-in test model, whose answers mean nothing: powerinfer-tray serve --model test</source>
            <translation>Choisissez-en un sur la page Modèles, ou essayez le modèle de test intégré, dont les réponses n’ont pas de sens : powerinfer-tray serve --model test</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} does not exist</source>
            <translation>Le fichier de modèle {name} n’existe pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Nothing is at {path}.</source>
            <translation>Il n’y a rien à {path}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose or download a model.</source>
            <translation>Choisissez ou téléchargez un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is there already</source>
            <translation>{name} existe déjà</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is in {folder}, and stays as it is.</source>
            <translation>Il se trouve dans {folder}, et reste tel quel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Remove it, or rename one of the two.</source>
            <translation>Supprimez-le, ou renommez l’un des deux.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>There is no folder {name}</source>
            <translation>Il n’y a pas de dossier {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The slash at its end is for folders, and a model is a file.</source>
            <translation>La barre oblique finale désigne un dossier, et un modèle est un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Leave the slash out, or check the name.</source>
            <translation>Retirez la barre oblique, ou vérifiez le nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} cannot be read</source>
            <translation>Le fichier de modèle {name} ne peut pas être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{why} ({path}).</source>
            <translation>{why} ({path}).</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Check the path and its permissions.</source>
            <translation>Vérifiez le chemin et ses droits d’accès.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose a model in the GGUF format.</source>
            <translation>Choisissez un modèle au format GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is not a model</source>
            <translation>{name} n’est pas un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} is incomplete</source>
            <translation>Le fichier de modèle {name} est incomplet</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Download or copy it again.</source>
            <translation>Téléchargez-le ou copiez-le à nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>The model file {name} is damaged</source>
            <translation>Le fichier de modèle {name} est endommagé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Its entry {key} is of the unknown type {number:,}.</source>
            <translation>Son entrée {key} est du type inconnu {number:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{present:,} of {whole:,} bytes are there, {missing:,} are missing.</source>
            <translation>{present:,} octets sur {whole:,} sont là, il en manque {missing:,}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{model} cannot have {projector} as its projector</source>
            <translation>{model} ne peut pas avoir {projector} comme projecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Set «Projector» of this model to its mmproj file, or to none.</source>
            <translation>Réglez « Projecteur » de ce modèle sur son fichier mmproj, ou sur none.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>{name} is not a model by itself</source>
            <translation>{name} n’est pas un modèle à lui seul</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>It is {kind}, which goes with a model.</source>
            <translation>C’est {kind}, qui accompagne un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/file_errors.py" />
            <source>Choose the model that it belongs to.</source>
            <translation>Choisissez le modèle auquel il appartient.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>{size} MiB</source>
            <translation>{size} Mio</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>{size} GiB</source>
            <translation>{size} Gio</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need} of the {room} of memory that can be used.</source>
            <translation>Il lui faut {need} sur les {room} de mémoire utilisable.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need} of the {room} of memory that can be used: close other programs.</source>
            <translation>Il lui faut {need} sur les {room} de mémoire utilisable : fermez d’autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>With a context of {context} it needs {need}, and {room} of memory can be used: try context {smaller}.</source>
            <translation>Avec un contexte de {context}, il lui faut {need}, pour {room} de mémoire utilisable : essayez un contexte de {smaller}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>It needs {need}, and {room} of memory can be used: try a smaller quantization or model.</source>
            <translation>Il lui faut {need}, pour {room} de mémoire utilisable : essayez une quantification ou un modèle plus petits.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/fit_text.py" />
            <source>Its weights alone take {weights}, and {room} of memory can be used: try a smaller quantization or model.</source>
            <translation>Ses poids seuls occupent {weights}, pour {room} de mémoire utilisable : essayez une quantification ou un modèle plus petits.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It ends after {count:,} bytes, within its header.</source>
            <translation>Il se termine après {count:,} octets, au milieu de son en-tête.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>tensors</source>
            <translation>tenseurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>entries</source>
            <translation>entrées</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It does not say of which architecture the model is.</source>
            <translation>Il ne dit pas de quelle architecture est le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header would be {count:,} bytes long.</source>
            <translation>Son en-tête occuperait {count:,} octets.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is a folder</source>
            <translation>{name} est un dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>A model is a single file.</source>
            <translation>Un modèle est un fichier unique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Name the model file inside that folder.</source>
            <translation>Indiquez le fichier de modèle qui se trouve dans ce dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is not an ordinary file.</source>
            <translation>Ce n’est pas un fichier ordinaire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its header announces {count:,} {what}.</source>
            <translation>Son en-tête annonce {count:,} {what}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>letters in one text</source>
            <translation>lettres dans un seul texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its tensor {name} has {count:,} dimensions.</source>
            <translation>Son tenseur {name} a {count:,} dimensions.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its weights are aligned to {number}.</source>
            <translation>Ses poids sont alignés sur {number}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is for other machines</source>
            <translation>{name} est destiné à d’autres machines</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Its numbers are stored in big-endian order.</source>
            <translation>Ses nombres sont enregistrés en gros-boutiste (big-endian).</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Download the usual, little-endian file.</source>
            <translation>Téléchargez le fichier habituel, en petit-boutiste (little-endian).</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too new for this app</source>
            <translation>{name} est trop récent pour cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>{name} is too old for this app</source>
            <translation>{name} est trop ancien pour cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>It is written in version {version:,} of the GGUF format. This app reads versions 2 and 3.</source>
            <translation>Il est écrit dans la version {version:,} du format GGUF. Cette application lit les versions 2 et 3.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/gguf.py" />
            <source>Look for an update of this app, or for another file of the same model.</source>
            <translation>Cherchez une mise à jour de cette application, ou un autre fichier du même modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>Models could not be searched for</source>
            <translation>La recherche de modèles n’a pas abouti</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>{site} did not answer with a list of models.</source>
            <translation>{site} n’a pas répondu par une liste de modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>Try again later, or look at the setting hf_endpoint.</source>
            <translation>Réessayez plus tard, ou vérifiez le réglage hf_endpoint.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>No models can be looked up, because {host} cannot be reached: check the connection to the internet.</source>
            <translation>Aucun modèle ne peut être recherché, car {host} est injoignable : vérifiez la connexion à Internet.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The server sends far more than a list takes.</source>
            <translation>Le serveur envoie bien plus qu’une liste n’en demande.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/hub.py" />
            <source>The list of the server did not arrive</source>
            <translation>La liste du serveur n’est pas arrivée</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Free some space, or link the model in place of copying it.</source>
            <translation>Libérez de l’espace, ou liez le modèle au lieu de le copier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>{name} could not be imported</source>
            <translation>{name} n’a pas pu être importé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>This disk takes no file so large (FAT32: 4 GB): choose a models folder on another, or link it.</source>
            <translation>Ce disque n’accepte pas de fichier aussi volumineux (FAT32 : 4 Go) : choisissez un dossier des modèles sur un autre disque, ou liez le modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check that you may write there; where links cannot be made, copy or move it.</source>
            <translation>Vérifiez que vous avez le droit d’y écrire ; là où il n’est pas possible de créer des liens, copiez-le ou déplacez-le.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/importing.py" />
            <source>Check that there is space, and that you may write there.</source>
            <translation>Vérifiez qu’il y a de la place et que vous pouvez y écrire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/integrity.py" />
            <source>Its SHA-256 is {actual}, but was {expected}.</source>
            <translation>Son SHA-256 est {actual}, mais était {expected}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/library.py" />
            <source>It is another kind of file.</source>
            <translation>C’est un fichier d’un autre type.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>Several models are called {reference}</source>
            <translation>Plusieurs modèles s’appellent {reference}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>{models}.</source>
            <translation>{models}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/naming.py" />
            <source>Name one of them by its id.</source>
            <translation>Indiquez l’un d’eux par son identifiant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>Nobody has noted where {name} came from.</source>
            <translation>La provenance de {name} n’a pas été notée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/outdated.py" />
            <source>Its source does not tell one version of the file from another.</source>
            <translation>Sa source ne distingue pas les versions du fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Free some space, or give another place.</source>
            <translation>Libérez de l’espace, ou indiquez un autre emplacement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} could not be quantized</source>
            <translation>{name} n’a pas pu être quantifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{program} has turned it into a model of another kind.</source>
            <translation>{program} en a fait un modèle d’un autre type.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Use the program that belongs to the model's engine.</source>
            <translation>Utilisez le programme qui va avec le moteur du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Check that the program can be run, and that you may write there.</source>
            <translation>Vérifiez que le programme peut être exécuté et que vous pouvez écrire à cet endroit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Cannot quantize {name}</source>
            <translation>Impossible de quantifier {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>It is not one whole model file.</source>
            <translation>Ce n’est pas un fichier de modèle entier et unique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose a model in a single file.</source>
            <translation>Choisissez un modèle en un seul fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Sparse models cannot be quantized to {type}.</source>
            <translation>Les modèles creux ne peuvent pas être quantifiés en {type}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Dense models cannot be quantized to {type}.</source>
            <translation>Les modèles denses ne peuvent pas être quantifiés en {type}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Choose one of: {names}</source>
            <translation>Choisissez parmi : {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>There is no folder {folder}.</source>
            <translation>Il n’y a pas de dossier {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Make it, or give another place.</source>
            <translation>Créez-le, ou indiquez un autre emplacement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>{name} cannot be written</source>
            <translation>Impossible d’écrire {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>Delete it if nobody needs it, and check that you may write there; or give another place.</source>
            <translation>Supprimez-le si personne n’en a besoin et vérifiez que vous pouvez y écrire, ou indiquez un autre emplacement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>The program ended with {code}: {reason}</source>
            <translation>Le programme s’est terminé avec {code} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>A model that is quantized already must be made from its F16 or F32 file.</source>
            <translation>Un modèle déjà quantifié doit être refait à partir de son fichier F16 ou F32.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/quantize.py" />
            <source>it said nothing.</source>
            <translation>il n’a rien dit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>Made for the PowerInfer engine, which this computer has.</source>
            <translation>Conçu pour le moteur PowerInfer, présent sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For embeddings of texts in your language.</source>
            <translation>Pour les embeddings de textes dans votre langue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/recommend.py" />
            <source>For conversations in your language, at a good speed on this computer.</source>
            <translation>Pour converser dans votre langue, à bonne vitesse sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{name} has not been downloaded yet</source>
            <translation>{name} n’a pas encore été téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{name} is not in the models folder.</source>
            <translation>{name} n’est pas dans le dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Download it: powerinfer-tray download {source}</source>
            <translation>Téléchargez-le : powerinfer-tray download {source}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>It is an address, and not a model on this computer.</source>
            <translation>C’est une adresse, et non un modèle sur cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>There is no model {reference}</source>
            <translation>Il n’y a pas de modèle {reference}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{alias} is another name of it, and it is not installed.</source>
            <translation>{alias} est un autre nom de ce modèle, qui n’est pas installé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Install it, or give the name to another model.</source>
            <translation>Installez-le, ou donnez ce nom à un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>Check the name, give the path of a file, or download a model.</source>
            <translation>Vérifiez le nom, indiquez le chemin d’un fichier, ou téléchargez un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>If you mean the file in the current folder, write ./{name}</source>
            <translation>Si vous voulez dire le fichier du dossier actuel, écrivez ./{name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>It is no id of the catalogue and no file in {folder}.</source>
            <translation>Ce n’est ni un identifiant du catalogue ni un fichier de {folder}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/references.py" />
            <source>{id} ({path})</source>
            <translation>{id} ({path})</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>The model has too many files</source>
            <translation>Le modèle comporte trop de fichiers</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>By its name, {name} is one of {count:,}. More than {most:,} are not fetched at once.</source>
            <translation>D’après son nom, {name} est l’un de {count:,} fichiers. Pas plus de {most:,} ne sont téléchargés à la fois.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/remote_header.py" />
            <source>Fetch them with another program, and put all of them into the models folder.</source>
            <translation>Téléchargez-les avec un autre programme et placez-les tous dans le dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a pipe between programs.</source>
            <translation>C’est un tube entre programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a socket of a program.</source>
            <translation>C’est un socket d’un programme.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It is a device.</source>
            <translation>C’est un périphérique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>It does not begin as a model does.</source>
            <translation>Il ne commence pas comme un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Only models are removed here. What there is says: powerinfer-tray models list</source>
            <translation>Seuls les modèles se suppriment ici. Pour les afficher : powerinfer-tray models list</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} could not be removed</source>
            <translation>{name} n’a pas pu être supprimé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Check its permissions; where there is no trash, delete it for good.</source>
            <translation>Vérifiez ses droits d’accès ; s’il n’y a pas de corbeille, supprimez-le définitivement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>{name} has just been replaced</source>
            <translation>{name} vient d’être remplacé</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Something else is in its place now than what was looked at, so it was left alone.</source>
            <translation>Ce qui se trouve maintenant à sa place n’est plus ce qui a été examiné, et n’a donc pas été touché.</translation>
        </message>
        <message>
            <location filename="../../tray_app/models/removal.py" />
            <source>Look at the list of models, and try again.</source>
            <translation>Consultez la liste des modèles, et réessayez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} must have 1 to {count} characters that can be seen.</source>
            <translation>{entry} doit compter de 1 à {count} caractères visibles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} has a comma or semicolon, which separate names.</source>
            <translation>{entry} contient une virgule ou un point-virgule, qui séparent les noms.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>{entry} looks like a path, an address or an option.</source>
            <translation>{entry} ressemble à un chemin, à une adresse ou à une option.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>A model cannot be called {entry}</source>
            <translation>Un modèle ne peut pas s’appeler {entry}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/aliases.py" />
            <source>For example: gpt-4o-mini</source>
            <translation>Par exemple : gpt-4o-mini</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>API key</source>
            <translation>Clé d’API</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For the local network: clients must send it as their OpenAI API key.</source>
            <translation>Pour le réseau local : les clients doivent l’envoyer comme clé d’API OpenAI.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Remote key</source>
            <translation>Clé distante</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For the engine remote: the API key that its server asks for, if it asks for one.</source>
            <translation>Pour le moteur remote : la clé d’API que demande son serveur, s’il en demande une.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Hugging Face token</source>
            <translation>Jeton Hugging Face</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>For files whose publisher wants you to accept terms first. It is sent to huggingface.co alone.</source>
            <translation>Pour les fichiers dont l’éditeur veut d’abord que vous acceptiez ses conditions. Il n’est envoyé qu’à huggingface.co.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>There is no key {name}</source>
            <translation>La clé {name} n’existe pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>The keys are: {names}.</source>
            <translation>Les clés sont : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>This cannot be a key</source>
            <translation>Ceci ne peut pas être une clé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>A key is made of letters, digits and signs, with no spaces.</source>
            <translation>Une clé se compose de lettres, de chiffres et de signes, sans espace.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>This key can be guessed</source>
            <translation>Cette clé peut être devinée</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keys.py" />
            <source>Everybody in the local network may try keys: it needs {count} characters or more, without a pattern. Generate in the settings makes one.</source>
            <translation>Chacun sur le réseau local peut essayer des clés : il en faut une d’au moins {count} caractères, sans motif régulier. « Générer » dans les réglages en crée une.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the environment variable {name}</source>
            <translation>dans la variable d’environnement {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the system's keychain</source>
            <translation>dans le trousseau du système</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>in the file {path}</source>
            <translation>dans le fichier {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>Type: powerinfer-tray key set {name} --file</source>
            <translation>Tapez : powerinfer-tray key set {name} --file</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>{command}, or set the environment variable {variable}.</source>
            <translation>{command}, ou définissez la variable d’environnement {variable}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>There is no key {place}</source>
            <translation>Ce qui se trouve {place} n’est pas une clé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/keystore.py" />
            <source>Set it again, or remove it.</source>
            <translation>Définissez-la à nouveau, ou supprimez-la.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} is one of a single model</source>
            <translation>Le réglage {name} concerne un seul modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Each model has its own, and there is none for all.</source>
            <translation>Chaque modèle a le sien, et il n’y en a pas pour tous.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Name the model: powerinfer-tray settings set {name} VALUE --model ID</source>
            <translation>Nommez le modèle : powerinfer-tray settings set {name} VALUE --model ID</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The setting {name} holds for all models</source>
            <translation>Le réglage {name} vaut pour tous les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A model may have its own: {names}.</source>
            <translation>Un modèle peut avoir ses propres valeurs de : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To set it for all: powerinfer-tray settings set {name} VALUE</source>
            <translation>Pour le régler pour tous : powerinfer-tray settings set {name} VALUE</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The engine of a model cannot be remote</source>
            <translation>Le moteur d’un modèle ne peut pas être remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>A remote server has models of its own, so it is chosen for all.</source>
            <translation>Un serveur distant a ses propres modèles : il se choisit donc pour tous.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>To use it: powerinfer-tray settings set engine remote</source>
            <translation>Pour l’utiliser : powerinfer-tray settings set engine remote</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>{alias} cannot be another name of {model}</source>
            <translation>{alias} ne peut pas être un autre nom de {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>It is the id of another model, {other}.</source>
            <translation>C’est l’identifiant d’un autre modèle, {other}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>Choose a name that no other model has.</source>
            <translation>Choisissez un nom qu’aucun autre modèle n’a.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>The model {other} has the same name.</source>
            <translation>Le modèle {other} porte le même nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>{name} cannot be {value}</source>
            <translation>{name} ne peut pas être {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>It must be a table with the settings of a model.</source>
            <translation>Ce doit être une table avec les paramètres d’un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/model_settings.py" />
            <source>For example: [models."ID"]</source>
            <translation>Par exemple : [models."ID"]</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has a character that cannot be seen.</source>
            <translation>{entry} contient un caractère invisible.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>An empty entry means no page.</source>
            <translation>Une entrée vide ne désigne aucune page.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} has no scheme. Write it as browsers send it: https://{host}, or http://{host}.</source>
            <translation>{entry} n’a pas de schéma. Écrivez-le comme les navigateurs l’envoient : https://{host}, ou http://{host}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>A * cannot stand in the scheme {scheme}: name each, as https://*.</source>
            <translation>Le schéma {scheme} ne peut pas contenir de * : indiquez chaque schéma, par exemple https://*.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{scheme} is not a scheme, as https is one.</source>
            <translation>{scheme} n’est pas un schéma tel que https.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>No web page has the scheme {scheme}: write https or http.</source>
            <translation>Aucune page web n’a le schéma {scheme} : écrivez https ou http.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers send no path: write {origin} in place of {entry}.</source>
            <translation>Les navigateurs n’envoient pas de chemin : écrivez {origin} au lieu de {entry}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} names no host: write it, or * for each.</source>
            <translation>{entry} n’indique aucun hôte : écrivez-le, ou * pour tous.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>In {entry}, a * can only be the whole host, stand before its first point or be the port: https://*.example.org, http://localhost:*.</source>
            <translation>Dans {entry}, un * ne peut être que l’hôte entier, précéder le premier point de l’hôte ou tenir lieu de port : https://*.example.org, http://localhost:*.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Browsers send no user name: leave out what is before the @.</source>
            <translation>Les navigateurs n’envoient pas de nom d’utilisateur : retirez ce qui précède le @.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>Write {name} in ASCII, as browsers send it: it begins with xn--.</source>
            <translation>Écrivez {name} en ASCII, comme les navigateurs l’envoient : cela commence par xn--.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{port} is not a port: write a number up to 65535, or *.</source>
            <translation>{port} n’est pas un port : écrivez un nombre jusqu’à 65535, ou *.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{name} is not the name of a host.</source>
            <translation>{name} n’est pas un nom d’hôte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/origins.py" />
            <source>{entry} can match no web page</source>
            <translation>{entry} ne peut correspondre à aucune page web</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Port</source>
            <translation>Port</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Programs reach the server at http://127.0.0.1:PORT/v1.</source>
            <translation>Les programmes joignent le serveur à http://127.0.0.1:PORT/v1.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Model</source>
            <translation>Modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>An id of the catalogue, a file in the models folder, or the path of a file.</source>
            <translation>Un identifiant du catalogue, un fichier du dossier des modèles ou le chemin d’un fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Other names</source>
            <translation>Autres noms</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Names that also mean this model, for commands and for programs, as gpt-4o-mini.</source>
            <translation>Noms qui désignent aussi ce modèle, pour les commandes et les programmes, comme gpt-4o-mini.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Context size</source>
            <translation>Taille du contexte</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How much text the model sees at once. More needs more memory. Automatic: up to 8192, as model and memory allow.</source>
            <translation>Quantité de texte que le modèle voit à la fois. Plus il y en a, plus il faut de mémoire. Automatique : jusqu’à 8192, selon le modèle et la mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>tokens</source>
            <translation>tokens</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Batch size</source>
            <translation>Taille des lots</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many tokens of a prompt are computed in one step.</source>
            <translation>Nombre de tokens d’une invite calculés en une seule étape.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads</source>
            <translation>Threads</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processor threads while generating. Automatic: one for each physical core.</source>
            <translation>Threads du processeur pendant la génération. Automatique : un par cœur physique.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Threads for batches</source>
            <translation>Threads pour les lots</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Processor threads while reading a prompt. Automatic: as Threads.</source>
            <translation>Threads du processeur pendant la lecture d’une invite. Automatique : comme Threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Temperature</source>
            <translation>Température</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How freely the model chooses its words; for requests that name none.</source>
            <translation>Liberté avec laquelle le modèle choisit ses mots ; pour les requêtes qui n’en précisent pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>VRAM budget</source>
            <translation>Budget VRAM</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most memory of each graphics card that engines may use.</source>
            <translation>Le maximum de mémoire de chaque carte graphique que les moteurs peuvent utiliser.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>GiB</source>
            <translation>Gio</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Engine</source>
            <translation>Moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>auto, powerinfer, llama.cpp, llama-server, remote, an installed engine as llama.cpp-cuda, or the path of a server program of your own.</source>
            <translation>auto, powerinfer, llama.cpp, llama-server, remote, un moteur installé comme llama.cpp-cuda, ou le chemin d’un programme serveur à vous.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote address</source>
            <translation>Adresse distante</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For the engine remote: the base URL of an OpenAI-compatible server, as http://box:8000/v1.</source>
            <translation>Pour le moteur remote : l’URL de base d’un serveur compatible OpenAI, par exemple http://box:8000/v1.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Remote model</source>
            <translation>Modèle distant</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which of the remote server's models answers requests that name none of them. Empty: its first.</source>
            <translation>Modèle du serveur distant qui répond aux requêtes qui n’en nomment aucun. Vide : le premier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Extra arguments</source>
            <translation>Arguments supplémentaires</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Added to the engine's command line as they are.</source>
            <translation>Ajoutés tels quels à la ligne de commande du moteur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Pooling</source>
            <translation>Agrégation</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How a vector is made of a text. Automatic: as the model's file says.</source>
            <translation>Comment un texte devient un vecteur. Automatique : comme l’indique le fichier du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Projector</source>
            <translation>Projecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The file (mmproj) with which this model sees pictures: a path, or a name in the models folder. Empty: the one beside the model. none: no pictures.</source>
            <translation>Le fichier (mmproj) avec lequel ce modèle voit les images : un chemin, ou un nom dans le dossier des modèles. Vide : celui à côté du modèle. none : pas d’images.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Shorter vectors</source>
            <translation>Vecteurs plus courts</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Whether programs may ask for vectors with fewer dimensions, which only some models were trained for. Automatic: as known of the model.</source>
            <translation>Si les programmes peuvent demander des vecteurs de moins de dimensions, ce pour quoi seuls certains modèles ont été entraînés. Automatique : selon ce que l’on sait du modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Prefix of queries</source>
            <translation>Préfixe des requêtes</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before a text that a program embeds as a query. What the model was trained with.</source>
            <translation>Placé devant un texte qu’un programme vectorise comme requête. Celui avec lequel le modèle a été entraîné.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Prefix of documents</source>
            <translation>Préfixe des documents</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Put before a text that a program embeds as a document. What the model was trained with.</source>
            <translation>Placé devant un texte qu’un programme vectorise comme document. Celui avec lequel le modèle a été entraîné.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Workers</source>
            <translation>Processus de calcul</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>How many processes of one thread each compute a sparse model. They share its weights. Automatic: one for every two physical cores, as memory allows.</source>
            <translation>Combien de processus d’un thread chacun calculent un modèle creux. Ils partagent ses poids. Automatique : un pour deux cœurs physiques, selon la mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start on demand</source>
            <translation>Démarrer à la demande</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request starts a server that sleeps, and waits for it.</source>
            <translation>Une requête démarre un serveur en veille, et attend qu’il soit prêt.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Stop when idle</source>
            <translation>Arrêter en cas d’inactivité</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>After so long without a request the engine stops and frees its memory. 0: never.</source>
            <translation>Après ce temps sans requête, le moteur s’arrête et libère sa mémoire. 0 : jamais.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>minutes</source>
            <translation>minutes</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Keep loaded</source>
            <translation>Garder chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>No other model takes this one's place in memory when a request needs room.</source>
            <translation>Aucun autre modèle ne prend sa place en mémoire quand une requête a besoin d’espace.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Who may connect</source>
            <translation>Qui peut se connecter</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Programs of this computer, or of the local network too, which then need an API key.</source>
            <translation>Les programmes de cet ordinateur, ou également ceux du réseau local, qui ont alors besoin d’une clé d’API.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Allowed web origins</source>
            <translation>Origines web autorisées</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Web pages that may use the server, as https://example.org, http://localhost:* or app://*. With * every page that you visit may use it.</source>
            <translation>Pages web qui peuvent utiliser le serveur, par exemple https://example.org, http://localhost:* ou app://*. Avec *, toute page que vous visitez peut l’utiliser.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Refused web origins</source>
            <translation>Origines web refusées</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Apps and pages of this computer that were refused: nobody is asked about them again.</source>
            <translation>Applications et pages de cet ordinateur qui ont été refusées : la question n’est plus posée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Native routes</source>
            <translation>Routes natives</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Also offer the engine's own routes, such as /completion and /tokenize.</source>
            <translation>Proposer aussi les routes propres au moteur, telles que /completion et /tokenize.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Metrics</source>
            <translation>Métriques</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Offer counters for Prometheus at /metrics.</source>
            <translation>Proposer des compteurs pour Prometheus sur /metrics.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Memory budget</source>
            <translation>Budget de mémoire</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most memory that all loaded models may take together. Automatic: what is free, less a reserve for other programs.</source>
            <translation>La mémoire que tous les modèles chargés peuvent occuper ensemble, au plus. Automatique : ce qui est libre, moins une réserve pour les autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default for embeddings</source>
            <translation>Par défaut pour les embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which model answers requests for embeddings and rankings that name no installed model. Empty: the setting Model.</source>
            <translation>Quel modèle répond aux demandes d’embeddings et de classement qui ne nomment aucun modèle installé. Vide : le réglage Modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Default for chats</source>
            <translation>Par défaut pour les dialogues</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Which model answers other requests that name no installed model. Empty: the setting Model.</source>
            <translation>Quel modèle répond aux autres demandes qui ne nomment aucun modèle installé. Vide : le réglage Modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Installed names only</source>
            <translation>Noms installés seulement</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>A request for a model that is not installed gets an error, and no answer of another model.</source>
            <translation>Une demande pour un modèle non installé reçoit une erreur, et non la réponse d’un autre modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Models folder</source>
            <translation>Dossier des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where downloads go and models are found. Empty: the usual place.</source>
            <translation>Destination des téléchargements et emplacement des modèles. Vide : l’emplacement habituel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Connections</source>
            <translation>Connexions</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most connections of one download. Automatic: few, and more while that makes it faster.</source>
            <translation>Nombre maximal de connexions par téléchargement. Automatique : peu, et davantage tant que cela accélère.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Speed limit</source>
            <translation>Limite de débit</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The most that downloads take of the line. 0: no limit.</source>
            <translation>Débit maximal des téléchargements. 0 : sans limite.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>MB/s</source>
            <translation>Mo/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Hugging Face address</source>
            <translation>Adresse de Hugging Face</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where hf: sources lead: Hugging Face itself, or the https address of a mirror.</source>
            <translation>Où mènent les sources « hf: » : Hugging Face lui-même, ou l’adresse https d’un miroir.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Address of engines</source>
            <translation>Adresse des moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Where engines are downloaded from. Empty: from their makers. Else the address of a mirror, which has them as RELEASE/FILE; what comes must be the same to the last byte.</source>
            <translation>D’où les moteurs sont téléchargés. Vide : de chez leurs auteurs. Sinon l’adresse d’un miroir qui les a sous RELEASE/FILE ; ce qui arrive doit être identique à l’octet près.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Look for newer models</source>
            <translation>Rechercher des modèles plus récents</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Ask once a week where your models came from whether their files have changed. Nothing is downloaded.</source>
            <translation>Demander une fois par semaine aux sources de vos modèles si leurs fichiers ont changé. Rien n’est téléchargé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Launch at login</source>
            <translation>Lancer à l’ouverture de session</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start this app, hidden in the tray, when you log in.</source>
            <translation>Démarrer cette application, dans la zone de notification, quand vous ouvrez une session.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server with the app</source>
            <translation>Démarrer le serveur avec l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Start the server as soon as the app runs.</source>
            <translation>Démarrer le serveur dès que l’application fonctionne.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Language</source>
            <translation>Langue</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Of windows, menu and notices. The terminal speaks English.</source>
            <translation>Celle des fenêtres, du menu et des notifications. Le terminal parle anglais.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Notices</source>
            <translation>Notifications</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Tell when a download or the installation of an engine has ended, when the server has crashed, when an installed engine is not used, and when an app or a page of this computer was refused.</source>
            <translation>Signale la fin d’un téléchargement ou de l’installation d’un moteur, une panne du serveur, un moteur installé qui n’est pas utilisé, et le refus d’une application ou d’une page de cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The setting {name} has entries that it cannot have</source>
            <translation>Le réglage {name} contient des entrées non valables</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be the full path of a folder, or empty for the usual one.</source>
            <translation>Il faut le chemin complet d’un dossier, ou rien pour l’emplacement habituel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be one of: {choices}.</source>
            <translation>Valeurs possibles : {choices}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a whole number from {minimum} to {maximum}.</source>
            <translation>Il faut un nombre entier de {minimum} à {maximum}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a whole number from {minimum} to {maximum}, or "auto".</source>
            <translation>Il faut un nombre entier de {minimum} à {maximum}, ou "auto".</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a number from {minimum} to {maximum}.</source>
            <translation>Il faut un nombre de {minimum} à {maximum}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a number from {minimum} to {maximum}, or "auto".</source>
            <translation>Il faut un nombre de {minimum} à {maximum}, ou "auto".</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be true or false.</source>
            <translation>Il faut true ou false.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a text without control characters.</source>
            <translation>Il faut un texte sans caractères de contrôle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>It must be a list of texts without control characters.</source>
            <translation>Il faut une liste de textes sans caractères de contrôle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The setting {name} cannot have a login or a key in its address</source>
            <translation>L’adresse du réglage {name} ne peut contenir ni identifiants ni clé</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Addresses are shown and logged; keys belong in the keychain: powerinfer-tray key set {key}</source>
            <translation>Les adresses sont affichées et journalisées ; les clés vont dans le trousseau : powerinfer-tray key set {key}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Leave out what stands before an @ and after a ?, and these signs.</source>
            <translation>Retirez ce qui précède @ et ce qui suit ?, ainsi que ces signes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The setting {name} cannot be {value}</source>
            <translation>Le réglage {name} ne peut pas être {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>For example: {name} = {example}</source>
            <translation>Par exemple : {name} = {example}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>There is no setting {name}</source>
            <translation>Il n’y a pas de réglage {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>Did you mean {name}?</source>
            <translation>Vouliez-vous dire {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>The settings are: {names}.</source>
            <translation>Les réglages sont : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/schema.py" />
            <source>All settings with their values: powerinfer-tray settings show</source>
            <translation>Tous les réglages avec leurs valeurs : powerinfer-tray settings show</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings are being changed by another program</source>
            <translation>Les paramètres sont en cours de modification par un autre programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has been locked for {seconds:.0f} seconds.</source>
            <translation>{path} est verrouillé depuis {seconds:.0f} secondes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Try again. If it stays so, end the other PowerInfer Tray, which may hang.</source>
            <translation>Réessayez. Si cela persiste, quittez l’autre PowerInfer Tray, qui est peut-être bloqué.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings could not be saved</source>
            <translation>Les paramètres n’ont pas pu être enregistrés</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Check that the disk is not full and that you may write to this folder.</source>
            <translation>Vérifiez que le disque n’est pas plein et que vous pouvez écrire dans ce dossier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>line {number}, model {model}: {title}. {reason}</source>
            <translation>ligne {number}, modèle {model} : {title}. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>line {number}: {title}. {reason}</source>
            <translation>ligne {number} : {title}. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file is of a newer version of this app</source>
            <translation>Le fichier des paramètres provient d’une version plus récente de cette application</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path} has version {version}; this app knows {known}.</source>
            <translation>{path} est en version {version} ; cette application connaît la version {known}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Install the newer version, or move the file away to begin with new settings. It has been left as it is.</source>
            <translation>Installez la version plus récente, ou déplacez le fichier ailleurs pour repartir de nouveaux paramètres. Il est resté tel quel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>The settings file has an error; defaults are used for what cannot be read</source>
            <translation>Le fichier des paramètres contient une erreur ; ce qui est illisible garde sa valeur par défaut</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>{path}: {cause}</source>
            <translation>{path} : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/settings/store.py" />
            <source>Correct the file, or choose these settings again. The file has been left as it is.</source>
            <translation>Corrigez le fichier, ou choisissez à nouveau ces réglages. Le fichier est resté tel quel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Launch at login could not be changed</source>
            <translation>Le lancement à l’ouverture de session n’a pas pu être modifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/autostart.py" />
            <source>Check that you may write to the place that is named, or use the system's own settings.</source>
            <translation>Vérifiez que vous pouvez écrire à l’emplacement indiqué, ou utilisez les réglages du système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>Not enough space on the disk</source>
            <translation>Pas assez d’espace sur le disque</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/disk.py" />
            <source>{needed:.2f} GB are needed. {free:.2f} GB are free in {folder}, of which {reserve:.2f} GB are left to other programs.</source>
            <translation>Il faut {needed:.2f} Go. {free:.2f} Go sont libres dans {folder}, dont {reserve:.2f} Go sont laissés aux autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>There is no {place} now.</source>
            <translation>{place} n’est pas là actuellement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>When it is there again, the server starts by itself. Or choose another model or models folder.</source>
            <translation>Dès qu’il sera de nouveau là, le serveur démarrera de lui-même. Ou choisissez un autre modèle ou un autre dossier des modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The drive «{name}» is not connected</source>
            <translation>Le lecteur « {name} » n’est pas connecté</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/drives.py" />
            <source>The folder «{name}» is gone</source>
            <translation>Le dossier « {name} » a disparu</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>The folder cannot be written to</source>
            <translation>Impossible d’écrire dans le dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/files.py" />
            <source>Check the rights of this folder, or name another with POWERINFER_TRAY_HOME.</source>
            <translation>Vérifiez les droits de ce dossier, ou indiquez-en un autre avec POWERINFER_TRAY_HOME.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>This system has no keychain</source>
            <translation>Ce système n’a pas de trousseau</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Keys are kept in it (on Linux in GNOME Keyring or KWallet), and none was found.</source>
            <translation>C’est là que sont conservées les clés (sous Linux, dans GNOME Keyring ou KWallet), et aucun trousseau n’a été trouvé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>The keychain refused</source>
            <translation>Le trousseau a refusé</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keychain.py" />
            <source>Unlock the system's keychain and try again.</source>
            <translation>Déverrouillez le trousseau du système et réessayez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} cannot be read</source>
            <translation>Le fichier de clé {path} ne peut pas être lu</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>{reason}</source>
            <translation>{reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Remove it, or give yourself the right to read it.</source>
            <translation>Supprimez-le, ou accordez-vous le droit de le lire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} is not a file</source>
            <translation>Le fichier de clé {path} n’est pas un fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Something else has its name.</source>
            <translation>Autre chose porte ce nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key file {path} is open to others</source>
            <translation>Le fichier de clé {path} est accessible à d’autres</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Others on this computer could read the key, so it is not used.</source>
            <translation>D’autres utilisateurs de cet ordinateur pourraient lire la clé : elle n’est donc pas utilisée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>Type: chmod 600 "{path}". Who has read it keeps it: choose a new one.</source>
            <translation>Tapez : chmod 600 "{path}". Quiconque a lu la clé la connaît toujours : choisissez-en une nouvelle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/keyfiles.py" />
            <source>The key could not be kept in a file, or removed from it</source>
            <translation>La clé n’a pas pu être enregistrée dans un fichier, ou en être supprimée</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another program</source>
            <translation>un autre programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>another PowerInfer Tray</source>
            <translation>un autre PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name}</source>
            <translation>{name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (service {service})</source>
            <translation>{name} (service {service})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid})</source>
            <translation>{name} (PID {pid})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{name} (PID {pid}, service {service})</source>
            <translation>{name} (PID {pid}, service {service})</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Port {port} is used by {programs}</source>
            <translation>Le port {port} est utilisé par {programs}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Only one program at a time can listen on a port.</source>
            <translation>Un seul programme à la fois peut écouter sur un port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Stop the service {services}</source>
            <translation>Arrêtez le service {services}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>End that program</source>
            <translation>Quittez ce programme</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port.</source>
            <translation>Choisissez un autre port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Choose another port: {port} is free.</source>
            <translation>Choisissez un autre port : {port} est libre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port.</source>
            <translation>{remedy}, ou choisissez un autre port.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>{remedy}, or choose another port: {port} is free.</source>
            <translation>{remedy}, ou choisissez un autre port : {port} est libre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>The system does not give out port {port}</source>
            <translation>Le système n’accorde pas le port {port}</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Windows keeps the ports {first} to {last} for itself.</source>
            <translation>Windows garde pour lui les ports {first} à {last}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/system/ports.py" />
            <source>Ports below {port} are for programs of the system.</source>
            <translation>Les ports inférieurs à {port} sont réservés aux programmes du système.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/application.py" />
            <source>This desktop shows no tray icons</source>
            <translation>Ce bureau n’affiche pas d’icônes de notification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/application.py" />
            <source>The app runs in this window instead; closing it quits the app and stops the server.</source>
            <translation>L’application utilise cette fenêtre à la place ; la fermer quitte l’application et arrête le serveur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>Something went wrong inside the app</source>
            <translation>Un problème est survenu dans l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/bridge.py" />
            <source>The log has the details.</source>
            <translation>Le journal donne les détails.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>About PowerInfer Tray</source>
            <translation>À propos de PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>PowerInfer Tray {version}</source>
            <translation>PowerInfer Tray {version}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Downloads a language model, runs it on this computer, and offers it to OpenAI clients.</source>
            <translation>Télécharge un modèle de langage, l’exécute sur cet ordinateur et le met à disposition des clients OpenAI.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Nothing leaves the machine but the downloads you ask for.</source>
            <translation>Rien ne quitte la machine, hormis les téléchargements que vous demandez.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Licence: MIT</source>
            <translation>Licence : MIT</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>Qt is used under the GNU LGPL, version 3: you may replace it by a build of your own.</source>
            <translation>Qt est utilisé sous la licence GNU LGPL, version 3 : vous pouvez le remplacer par votre propre version compilée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/about.py" />
            <source>The licences of all parts: {file}</source>
            <translation>Licences de tous les composants : {file}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Delete what has arrived of {name}?</source>
            <translation>Supprimer ce qui est arrivé de {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The download would begin anew.</source>
            <translation>Le téléchargement recommencerait depuis le début.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Delete</source>
            <translation>&amp;Supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move {name} to the trash?</source>
            <translation>Mettre {name} à la corbeille ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>{size}, with all that belongs to it.</source>
            <translation>{size}, avec tout ce qui s’y rattache.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Move to &amp;Trash</source>
            <translation>Mettre à la co&amp;rbeille</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>The server is using it, and will be stopped first.</source>
            <translation>Le serveur l’utilise, et sera d’abord arrêté.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Keep</source>
            <translation>&amp;Conserver</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Remove {count} models?</source>
            <translation>
                <numerusform>Supprimer {count} modèle ?</numerusform>
                <numerusform>Supprimer {count} modèles ?</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Files go to the trash.</source>
            <translation>Les fichiers vont à la corbeille.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Remove</source>
            <translation>&amp;Supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel the download of {name}?</source>
            <translation>Annuler le téléchargement de {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>What has arrived can stay, so that it goes on from there later; or be deleted.</source>
            <translation>Ce qui est arrivé peut rester, pour continuer plus tard à partir de là, ou être supprimé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel and &amp;Keep</source>
            <translation>Annuler et &amp;conserver</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Cancel and &amp;Delete</source>
            <translation>Annuler et &amp;supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Go On</source>
            <translation>&amp;Poursuivre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Remove {name}?</source>
            <translation>Supprimer {name} ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>Add {name} as an engine?</source>
            <translation>Ajouter {name} comme moteur ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>It is a program, which can do on this computer what you can do. Add it only if you know where it comes from. It is copied, and proven before it is used.</source>
            <translation>C’est un programme : il peut faire sur cet ordinateur tout ce que vous pouvez faire. Ne l’ajoutez que si vous savez d’où il vient. Il est copié, et éprouvé avant d’être utilisé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Add</source>
            <translation>A&amp;jouter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>&amp;Cancel</source>
            <translation>&amp;Annuler</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/confirm.py" />
            <source>PowerInfer Tray</source>
            <translation>PowerInfer Tray</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Download a model</source>
            <translation>Télécharger un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>Reading what it is …</source>
            <translation>Lecture de ses caractéristiques…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>&amp;Download</source>
            <translation>&amp;Télécharger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/download.py" />
            <source>What it is could not be read. It can be downloaded all the same.</source>
            <translation>Ses caractéristiques n’ont pas pu être lues. Le téléchargement reste possible.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>Import models</source>
            <translation>Importer des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Copy: the file stays where it is, too</source>
            <translation>&amp;Copier : le fichier reste aussi à sa place</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Move: it is then in the models folder alone</source>
            <translation>&amp;Déplacer : il ne sera plus que dans le dossier des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Link: use it from where it is; takes no space</source>
            <translation>&amp;Lier : l’utiliser là où il est, sans prendre de place</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>&amp;Import</source>
            <translation>&amp;Importer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>into {folder}</source>
            <translation>dans {folder}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/import_files.py" />
            <source>The other files of a split model, and what belongs to it, come along.</source>
            <translation>Les autres fichiers d’un modèle divisé, et ce qui s’y rattache, suivent.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Quantize a model</source>
            <translation>Quantifier un modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>Asking which types there are …</source>
            <translation>Recherche des types disponibles…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;Quantize</source>
            <translation>&amp;Quantifier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;Type:</source>
            <translation>&amp;Type :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>&amp;New file:</source>
            <translation>&amp;Nouveau fichier :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/quantize.py" />
            <source>On the disk:</source>
            <translation>Sur le disque :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Settings</source>
            <translation>Paramètres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Command &amp;line:</source>
            <translation>&amp;Ligne de commande :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/settings.py" />
            <source>Command line</source>
            <translation>Ligne de commande</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>Terms of {owner}</source>
            <translation>Conditions de {owner}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>&amp;Accept and Install</source>
            <translation>&amp;Accepter et installer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>&amp;Read the Terms</source>
            <translation>&amp;Lire les conditions</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/terms.py" />
            <source>A part of this engine belongs to {owner}, which permits its use on its own terms. Install it only if you have read and accepted them.</source>
            <translation>Une partie de ce moteur appartient à {owner}, qui en permet l’usage à ses propres conditions. Ne l’installez que si vous les avez lues et acceptées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Best engine and number of threads</source>
            <translation>Meilleur moteur et nombre de threads</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>The server is started again on each engine and with several numbers of threads, and asked for embeddings and text each time. Meanwhile other programs have to wait. Close what else keeps the processor busy.</source>
            <translation>Le serveur est redémarré sur chaque moteur et avec plusieurs nombres de threads, et interrogé à chaque fois pour des embeddings et du texte. Pendant ce temps, les autres programmes doivent attendre. Fermez ce qui occupe le processeur par ailleurs.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Engines and numbers of threads measured</source>
            <translation>Moteurs et nombres de threads mesurés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Measure</source>
            <translation>&amp;Mesurer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Use These</source>
            <translation>&amp;Utiliser ces valeurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Close</source>
            <translation>&amp;Fermer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Stopping …</source>
            <translation>Arrêt en cours…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>&amp;Stop</source>
            <translation>&amp;Arrêter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Embeddings/s</source>
            <translation>Embeddings/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Tokens/s</source>
            <translation>Tokens/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/dialogs/tune.py" />
            <source>Speed by number of threads</source>
            <translation>Vitesse selon le nombre de threads</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;More</source>
            <translation>P&amp;lus</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Use</source>
            <translation>&amp;Utiliser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Load</source>
            <translation>&amp;Charger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>U&amp;nload</source>
            <translation>Déchar&amp;ger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Download…</source>
            <translation>&amp;Télécharger…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Pause</source>
            <translation>Pau&amp;se</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Resume</source>
            <translation>&amp;Reprendre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>Verif&amp;y</source>
            <translation>&amp;Vérifier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>&amp;Quantize…</source>
            <translation>&amp;Quantifier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>Show in &amp;Folder</source>
            <translation>Afficher dans le &amp;dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_actions.py" />
            <source>Remo&amp;ve…</source>
            <translation>Suppri&amp;mer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Importing</source>
            <translation>Importation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Verifying</source>
            <translation>Vérification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Every byte is as it was downloaded.</source>
            <translation>Chaque octet est tel qu’il a été téléchargé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Header and size are right. What each byte should be is not known for this file.</source>
            <translation>L’en-tête et la taille sont corrects. Le contenu attendu de chaque octet n’est pas connu pour ce fichier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>{name} is in order</source>
            <translation>{name} est en ordre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Close</source>
            <translation>Fermer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Quantizing</source>
            <translation>Quantification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/model_controller.py" />
            <source>Delete &amp;Forever</source>
            <translation>Supprimer définiti&amp;vement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Complete</source>
            <translation>&amp;Compléter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Ctrl+Enter</source>
            <translation>Ctrl+Entrée</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>St&amp;op</source>
            <translation>A&amp;rrêter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Esc</source>
            <translation>Échap</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>&amp;Text:</source>
            <translation>&amp;Texte :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>To&amp;kens at most:</source>
            <translation>To&amp;kens au maximum :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Ans&amp;wer:</source>
            <translation>Répon&amp;se :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/completion.py" />
            <source>Temperature {value}</source>
            <translation>Température {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Search Hugging Face, or paste an address</source>
            <translation>Chercher sur Hugging Face, ou coller une adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Clear</source>
            <translation>Effacer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>&amp;Search</source>
            <translation>&amp;Rechercher</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>&amp;Back</source>
            <translation>Re&amp;tour</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models</source>
            <translation>Modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Show &amp;More</source>
            <translation>Afficher p&amp;lus</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models that do not run here</source>
            <translation>Modèles qui ne fonctionnent pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Results for “{words}”</source>
            <translation>Résultats pour « {words} »</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Nothing was found. Try fewer words.</source>
            <translation>Rien n’a été trouvé. Essayez avec moins de mots.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Tried and described</source>
            <translation>Essayés et décrits</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Models of the catalogue. Hugging Face has many more: search for a name.</source>
            <translation>Modèles du catalogue. Hugging Face en a beaucoup d’autres : cherchez un nom.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Looking it up …</source>
            <translation>Recherche en cours …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Hide models that do not run here</source>
            <translation>Masquer les modèles qui ne fonctionnent pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Show models that do not run here</source>
            <translation>Afficher les modèles qui ne fonctionnent pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/discover.py" />
            <source>Try Again</source>
            <translation>Réessayer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Texts, one on each line</source>
            <translation>Textes, un par ligne</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Embed</source>
            <translation>&amp;Calculer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Ca&amp;ncel</source>
            <translation>A&amp;nnuler</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Start Server</source>
            <translation>&amp;Démarrer le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>&amp;Texts, one on each line; or drop a file here:</source>
            <translation>&amp;Textes, un par ligne ; ou déposez un fichier ici :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/embedding.py" />
            <source>Embedding …</source>
            <translation>Calcul en cours…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>On this computer</source>
            <translation>Sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>&amp;Add an Engine</source>
            <translation>&amp;Ajouter un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Other engines</source>
            <translation>Autres moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>From a &amp;File…</source>
            <translation>Depuis un &amp;fichier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>From a F&amp;older…</source>
            <translation>Depuis un &amp;dossier…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Looking at the engines …</source>
            <translation>Examen des moteurs…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Hide other engines</source>
            <translation>Masquer les autres moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Show other engines</source>
            <translation>Afficher les autres moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/engines.py" />
            <source>Add an engine</source>
            <translation>Ajouter un moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Use &amp;All in Place</source>
            <translation>Tout utiliser sur pl&amp;ace</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>&amp;Discover Models</source>
            <translation>&amp;Découvrir des modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Models of other apps</source>
            <translation>Modèles d’autres applications</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>These models belong to other apps. They are used from where they are: nothing is copied or changed, and when the other app removes one, it is gone from here, too.</source>
            <translation>Ces modèles appartiennent à d’autres applications. Ils sont utilisés là où ils se trouvent : rien n’est copié ni modifié, et si l’autre application en supprime un, il disparaît aussi d’ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>Looking through the folders of other apps …</source>
            <translation>Examen des dossiers d’autres applications …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>LM Studio, Ollama, Jan, GPT4All, llama.cpp and the cache of Hugging Face have no model on this computer that is not in the list already.</source>
            <translation>LM Studio, Ollama, Jan, GPT4All, llama.cpp et le cache de Hugging Face n’ont sur cet ordinateur aucun modèle qui ne soit déjà dans la liste.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/found.py" />
            <source>In the list now: {names}</source>
            <translation>Désormais dans la liste : {names}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Loo&amp;k for Newer Files</source>
            <translation>Fichiers plus réce&amp;nts ?</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>&amp;Import…</source>
            <translation>&amp;Importer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>The models folder is not there</source>
            <translation>Le dossier des modèles n’est pas là</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>{folder} cannot be found. Connect its drive, or choose another folder in the settings.</source>
            <translation>{folder} est introuvable. Connectez son lecteur, ou choisissez un autre dossier dans les paramètres.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Select a model to see what can be done with it.</source>
            <translation>Sélectionnez un modèle pour voir ce que vous pouvez en faire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>Models (*.gguf)</source>
            <translation>Modèles (*.gguf)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/installed.py" />
            <source>All files (*)</source>
            <translation>Tous les fichiers (*)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Only lines with …</source>
            <translation>Lignes avec…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Only lines with</source>
            <translation>Lignes avec</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Follow</source>
            <translation>&amp;Suivre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Stay at the newest line.</source>
            <translation>Rester sur la ligne la plus récente.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>&amp;Copy</source>
            <translation>C&amp;opier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copies the selected lines, or all that are shown.</source>
            <translation>Copie les lignes sélectionnées, ou toutes celles qui sont affichées.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Open Fo&amp;lder</source>
            <translation>Ouvrir le &amp;dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Copy &amp;Diagnostics</source>
            <translation>Copier le diagnos&amp;tic</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Versions, machine, command line and last lines, without secrets and your home folder.</source>
            <translation>Versions, machine, ligne de commande et dernières lignes, sans secrets ni dossier personnel.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Lines of the logs</source>
            <translation>Lignes des journaux</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Warning</source>
            <translation>Avertissement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>From</source>
            <translation>Origine</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>App and engine</source>
            <translation>Application et moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Level</source>
            <translation>Niveau</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Every level</source>
            <translation>Tous les niveaux</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Warnings and errors</source>
            <translation>Avertissements et erreurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Errors</source>
            <translation>Erreurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>The diagnostics are on the clipboard</source>
            <translation>Le diagnostic est dans le presse-papiers</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/logs.py" />
            <source>Paste them into your report. Secrets and your home folder have been removed.</source>
            <translation>Collez-le dans votre rapport. Les secrets et votre dossier personnel en ont été retirés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Best Number of Threads…</source>
            <translation>Meilleur nom&amp;bre de threads…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Answered requests</source>
            <translation>Requêtes répondues</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>Save &amp;Picture…</source>
            <translation>Enregistrer l'&amp;image…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>&amp;Requests:</source>
            <translation>&amp;Requêtes :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/measure.py" />
            <source>At the same t&amp;ime:</source>
            <translation>&amp;Simultanées :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Installed</source>
            <translation>Installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Discover</source>
            <translation>Découvrir</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Found on this computer</source>
            <translation>Trouvés sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/models.py" />
            <source>Disk space</source>
            <translation>Espace disque</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Looking at what models take …</source>
            <translation>Examen de la place que prennent les modèles …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>What models take</source>
            <translation>Place prise par les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Takes</source>
            <translation>Taille</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Last used</source>
            <translation>Dernière utilisation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Belongs to</source>
            <translation>Appartient à</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>Choose Those &amp;Unused for Months</source>
            <translation>Choisir ceux inutilisés depuis des m&amp;ois</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>&amp;Remove…</source>
            <translation>&amp;Supprimer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/space.py" />
            <source>No model takes space yet.</source>
            <translation>Aucun modèle ne prend de place pour l’instant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>S&amp;top Server</source>
            <translation>A&amp;rrêter le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Copy the address</source>
            <translation>Copier l’adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Model:</source>
            <translation>Modèle :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Engine:</source>
            <translation>Moteur :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>&amp;Address:</source>
            <translation>&amp;Adresse :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>The model is in order</source>
            <translation>Le modèle est en ordre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>Verifying the model …</source>
            <translation>Vérification du modèle…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>{percent} %</source>
            <translation>{percent} %</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>none chosen</source>
            <translation>aucun choisi</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>not running</source>
            <translation>arrêté</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/status.py" />
            <source>process {pid}</source>
            <translation>processus {pid}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Test embedding</source>
            <translation>Tester l’embedding</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Measure</source>
            <translation>Mesurer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/pages/trial.py" />
            <source>Test completion</source>
            <translation>Tester la complétion</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Install</source>
            <translation>Installer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Update</source>
            <translation>Mettre à jour</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not Now</source>
            <translation>Plus tard</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Pause</source>
            <translation>Suspendre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Resume</source>
            <translation>Reprendre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Cancel</source>
            <translation>Annuler</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Prove Again</source>
            <translation>Éprouver à nouveau</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Show in Folder</source>
            <translation>Afficher dans le dossier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Remove…</source>
            <translation>Supprimer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{action}: {engine}</source>
            <translation>{action} : {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>A newer engine is on offer</source>
            <translation>Un moteur plus récent est proposé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Let the graphics card compute</source>
            <translation>Faire calculer la carte graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>A faster engine for this processor</source>
            <translation>Un moteur plus rapide pour ce processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Installing {engine}</source>
            <translation>Installation de {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Proving {engine}</source>
            <translation>Mise à l’épreuve de {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Paused at {amount}</source>
            <translation>En pause à {amount}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Unpacking …</source>
            <translation>Décompression…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Proving that it computes right with weights in {kind} …</source>
            <translation>Vérification qu’il calcule juste avec des poids en {kind}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Proving that it computes right on this machine …</source>
            <translation>Vérification qu’il calcule juste sur cette machine…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Another engine takes its place until you let it try again.</source>
            <translation>Un autre moteur le remplace jusqu’à ce que vous le laissiez réessayer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Another engine takes its place. The page Engines says more.</source>
            <translation>Un autre moteur le remplace. La page Moteurs en dit plus.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{file}: {size}, terms: {terms}</source>
            <translation>{file} : {size}, conditions : {terms}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{size} of the disk become free.</source>
            <translation>{size} du disque seront libérés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Changed</source>
            <translation>Modifié</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Its files are not those that were installed, so it is not started. Install it again.</source>
            <translation>Ses fichiers ne sont plus ceux qui ont été installés : il n’est donc pas démarré. Installez-le à nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Set aside</source>
            <translation>Mis de côté</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Does not work here</source>
            <translation>Ne fonctionne pas ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>In use by {models}</source>
            <translation>Utilisé par {models}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Ready</source>
            <translation>Prêt</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>no card found</source>
            <translation>aucune carte trouvée</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>processor</source>
            <translation>processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>proven for {kinds}</source>
            <translation>éprouvé pour {kinds}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{factor} times as fast as the built-in engine</source>
            <translation>{factor} fois plus rapide que le moteur intégré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used for weights in {kind}: {reason}</source>
            <translation>Pas utilisé pour les poids en {kind} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>unknown cause</source>
            <translation>cause inconnue</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Not used for {model}: {reason}</source>
            <translation>Pas utilisé pour {model} : {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>from {place}</source>
            <translation>de {place}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Damaged</source>
            <translation>Endommagé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>graphics of Apple Silicon</source>
            <translation>graphismes d’Apple Silicon</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>comes with the app</source>
            <translation>fourni avec l’application</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>found on this computer</source>
            <translation>trouvé sur cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{engine} could not be installed</source>
            <translation>{engine} n’a pas pu être installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>{engine} could not be proven</source>
            <translation>{engine} n’a pas pu être éprouvé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Waiting: {cause}</source>
            <translation>En attente : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/builds.py" />
            <source>Downloading</source>
            <translation>Téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Kind:</source>
            <translation>Type :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Context:</source>
            <translation>Contexte :</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>{count} tokens</source>
            <translation>
                <numerusform>{count} token</numerusform>
                <numerusform>{count} tokens</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>Size:</source>
            <translation>Taille :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/download_preview.py" />
            <source>This machine:</source>
            <translation>Cette machine :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/downloads.py" />
            <source>File {number} of {count}: {text}</source>
            <translation>Fichier {number} sur {count} : {text}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>Type a text first.</source>
            <translation>Saisissez d’abord un texte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server is asleep. Start it first.</source>
            <translation>Le serveur est en veille. Démarrez-le d’abord.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The model is being loaded …</source>
            <translation>Chargement du modèle…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server is being restarted …</source>
            <translation>Redémarrage du serveur…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server waits until the model is there again.</source>
            <translation>Le serveur attend que le modèle soit de nouveau là.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>The server must run first.</source>
            <translation>Le serveur doit d’abord fonctionner.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} texts</source>
            <translation>
                <numerusform>{count} texte</numerusform>
                <numerusform>{count} textes</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{count} dimensions</source>
            <translation>
                <numerusform>{count} dimension</numerusform>
                <numerusform>{count} dimensions</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>{ms} ms per text</source>
            <translation>{ms} ms par texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/embedding.py" />
            <source>, </source>
            <translation> ; </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>Automatic (the best one for the model)</source>
            <translation>Automatique (le meilleur pour le modèle)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engine_names.py" />
            <source>llama.cpp (comes with the app)</source>
            <translation>llama.cpp (fourni avec l’application)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>the model</source>
            <translation>le modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Memory of all models</source>
            <translation>Mémoire de tous les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Graphics memory</source>
            <translation>Mémoire graphique</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Loaded</source>
            <translation>Chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Being loaded</source>
            <translation>En cours de chargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>This is more than they may take together.</source>
            <translation>C’est plus qu’ils ne peuvent occuper ensemble.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Restarting: {cause}</source>
            <translation>Redémarrage : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Loading … {seconds} s</source>
            <translation>Chargement… {seconds} s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Waiting for memory …</source>
            <translation>En attente de mémoire…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Being unloaded …</source>
            <translation>Déchargement…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Failed: {cause}</source>
            <translation>Échec : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Preparing the start …</source>
            <translation>Préparation du démarrage…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Asleep: a request starts it</source>
            <translation>En veille : une requête le démarre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>Not loaded</source>
            <translation>Non chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>≈ {size}</source>
            <translation>≈ {size}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{size} on the card</source>
            <translation>{size} sur la carte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{number} requests/s</source>
            <translation>{number} requêtes/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>{number} tokens/s</source>
            <translation>{number} tokens/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/engines.py" />
            <source>idle</source>
            <translation>inactif</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose a &amp;Free Port</source>
            <translation>Choisir un port &amp;libre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>&amp;Verify the Model</source>
            <translation>&amp;Vérifier le modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>&amp;Open the Setting…</source>
            <translation>Ouvrir le ré&amp;glage…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Choose Another &amp;Engine…</source>
            <translation>Choisir un autre mot&amp;eur…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Every byte is the one that was downloaded, so the file is not the cause.</source>
            <translation>Chaque octet est celui qui a été téléchargé : le fichier n’est donc pas en cause.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/fixes.py" />
            <source>Header and size are right. Its weights cannot be checked: no SHA-256 was kept for them.</source>
            <translation>L’en-tête et la taille sont corrects. Les poids ne peuvent pas être vérifiés : aucun SHA-256 n’a été conservé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} B</source>
            <translation>{size} o</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} kB</source>
            <translation>{size} ko</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} MB</source>
            <translation>{size} Mo</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} GB</source>
            <translation>{size} Go</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size} TB</source>
            <translation>{size} To</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{size}/s</source>
            <translation>{size}/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{needed} needed, {free} free: {missing} too little</source>
            <translation>{needed} nécessaires, {free} libres : il manque {missing}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{needed} needed, {free} free</source>
            <translation>{needed} nécessaires, {free} libres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{seconds} s left</source>
            <translation>reste {seconds} s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{minutes} min left</source>
            <translation>reste {minutes} min</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{hours} h {minutes} min left</source>
            <translation>reste {hours} h {minutes} min</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Waiting for its turn</source>
            <translation>En attente de son tour</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Connecting …</source>
            <translation>Connexion…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Checking …</source>
            <translation>Vérification…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Cancelled at {amount}</source>
            <translation>Annulé à {amount}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>Downloaded</source>
            <translation>Téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/formatting.py" />
            <source>{title}.</source>
            <translation>{title}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Asking the keychain …</source>
            <translation>Consultation du trousseau …</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Kept in the system's keychain</source>
            <translation>Dans le trousseau du système</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Kept in a file</source>
            <translation>Dans un fichier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Set in the environment</source>
            <translation>Dans l’environnement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>None</source>
            <translation>Rien d’enregistré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Will be removed</source>
            <translation>Sera supprimé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Copy it now: once applied, it is not shown again.</source>
            <translation>Copiez-la maintenant : une fois appliquée, elle n’est plus affichée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The environment variable {name} gives this key, and is used before any other.</source>
            <translation>La variable d’environnement {name} fournit cette clé, et a priorité sur toute autre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>Clients need the new key.</source>
            <translation>Les clients ont besoin de la nouvelle clé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The local network needs one.</source>
            <translation>Le réseau local en exige une.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/keys.py" />
            <source>The local network needs one: type it, or press Generate.</source>
            <translation>Le réseau local en exige une : saisissez-la, ou appuyez sur Générer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>App</source>
            <translation>Application</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>Error</source>
            <translation>Erreur</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{count} lines</source>
            <translation>
                <numerusform>{count} ligne</numerusform>
                <numerusform>{count} lignes</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/logs.py" />
            <source>{shown} of {known} lines</source>
            <translation>{shown} lignes sur {known}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>No request was answered.</source>
            <translation>Aucune requête n’a reçu de réponse.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>{count} requests</source>
            <translation>
                <numerusform>{count} requête</numerusform>
                <numerusform>{count} requêtes</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>p50 {ms} ms</source>
            <translation>p50 {ms} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>p95 {ms} ms</source>
            <translation>p95 {ms} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/measurement.py" />
            <source>{rate} embeddings per second</source>
            <translation>{rate} embeddings par seconde</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>{need} of {usable} that can be used</source>
            <translation>{need} sur {usable} utilisables</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Weights</source>
            <translation>Poids</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Context</source>
            <translation>Contexte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Overhead</source>
            <translation>Surcoût</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Memory</source>
            <translation>Mémoire</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>The graphics card has less than this budget.</source>
            <translation>La carte graphique a moins que ce budget.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This fits, but leaves little for other programs.</source>
            <translation>Cela tient, mais laisse peu de place aux autres programmes.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This does not fit; a context size of {size} would.</source>
            <translation>Cela ne tient pas ; une taille de contexte de {size} conviendrait.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>This does not fit, whatever the context size; choose a smaller model.</source>
            <translation>Cela ne tient pas, quelle que soit la taille du contexte ; choisissez un modèle plus petit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>what is free of {total}</source>
            <translation>ce qui est libre sur {total}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/memory.py" />
            <source>Budget</source>
            <translation>Budget</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Pause Download</source>
            <translation>Mettre le téléchargement en pa&amp;use</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Resume &amp;Download</source>
            <translation>Reprendre le &amp;téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Restart Server</source>
            <translation>R&amp;edémarrer le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;More Models…</source>
            <translation>&amp;Plus de modèles…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Test &amp;Embedding…</source>
            <translation>Tester l’em&amp;bedding…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Address</source>
            <translation>&amp;Adresse</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;curl</source>
            <translation>Exemple pour &amp;curl</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;Python</source>
            <translation>Exemple pour &amp;Python</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Example for &amp;4D</source>
            <translation>Exemple pour &amp;4D</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Open Window</source>
            <translation>Ouvrir la &amp;fenêtre</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Sett&amp;ings…</source>
            <translation>Paramètre&amp;s…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Lo&amp;gs…</source>
            <translation>&amp;Journaux…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;About</source>
            <translation>À &amp;propos</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Quit</source>
            <translation>&amp;Quitter</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Repair &amp;Launch at Login</source>
            <translation>Réparer &amp;le lancement à l’ouverture de session</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Launch at Login</source>
            <translation>&amp;Lancer à l’ouverture de session</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>&amp;Models</source>
            <translation>&amp;Modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>chosen</source>
            <translation>choisi</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>loading …</source>
            <translation>chargement…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>{name} — {notes}</source>
            <translation>{name} — {notes}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Unload this model</source>
            <translation>Décharger ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose this model</source>
            <translation>Choisir ce modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Load this model beside the others</source>
            <translation>Charger ce modèle avec les autres</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose this model and start the server</source>
            <translation>Choisir ce modèle et démarrer le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is running already.</source>
            <translation>Le serveur fonctionne déjà.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is starting already.</source>
            <translation>Le serveur démarre déjà.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server starts by itself when the model is there again.</source>
            <translation>Le serveur démarrera de lui-même quand le modèle sera de nouveau là.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>Choose a model first.</source>
            <translation>Choisissez d’abord un modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is stopping already.</source>
            <translation>Le serveur est déjà en cours d’arrêt.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is not running.</source>
            <translation>Le serveur ne fonctionne pas.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/menu.py" />
            <source>The server is asleep.</source>
            <translation>Le serveur est en veille.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Sparse</source>
            <translation>Creux</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Dense</source>
            <translation>Dense</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Used from {app}, where it is: {path}</source>
            <translation>Utilisé depuis {app}, là où il se trouve : {path}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>A sparse model runs on PowerInfer alone.</source>
            <translation>Un modèle creux ne fonctionne qu’avec PowerInfer.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen</source>
            <translation>Choisi</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Another file is at its source now: {source}. To have it, remove this one and download it again.</source>
            <translation>Un autre fichier se trouve maintenant à sa source : {source}. Pour l’avoir, supprimez celui-ci et téléchargez-le à nouveau.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{count} models have a newer file</source>
            <translation>
                <numerusform>{count} modèle a un fichier plus récent</numerusform>
                <numerusform>{count} modèles ont un fichier plus récent</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>No model has a newer file</source>
            <translation>Aucun modèle n’a de fichier plus récent</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>To have one, remove the model and download it again. Nothing is replaced by itself.</source>
            <translation>Pour l’avoir, supprimez le modèle et téléchargez-le à nouveau. Rien n’est remplacé automatiquement.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Not known of: {names}.</source>
            <translation>Inconnu pour : {names}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen, loaded</source>
            <translation>Choisi, chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Being loaded …</source>
            <translation>Chargement…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Its publisher wants you to sign in and accept terms first.</source>
            <translation>Son éditeur demande de se connecter et d’accepter d’abord ses conditions.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Licence: {licence}.</source>
            <translation>Licence : {licence}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Chosen, not downloaded</source>
            <translation>Choisi, non téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Not downloaded</source>
            <translation>Non téléchargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{size} have arrived.</source>
            <translation>{size} sont arrivés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Being copied …</source>
            <translation>Copie en cours…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>It can be used as soon as all of it is here.</source>
            <translation>Il sera utilisable dès qu’il sera là en entier.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Cannot be used</source>
            <translation>Inutilisable</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Left by a download</source>
            <translation>Reste d’un téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>Nothing tells where it came from: download it again, or remove it to free the space.</source>
            <translation>Rien n’indique d’où il vient : téléchargez-le à nouveau, ou supprimez-le pour libérer l’espace.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/models.py" />
            <source>{verb} {percent} %</source>
            <translation>{verb} {percent} %</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>The log says why.</source>
            <translation>Le journal dit pourquoi.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>The server crashed and was restarted</source>
            <translation>Le serveur a planté et a été redémarré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>It is refused until you decide, on the page Status.</source>
            <translation>L’accès est refusé jusqu’à votre décision, sur la page État.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Download finished</source>
            <translation>Téléchargement terminé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Download failed</source>
            <translation>Échec du téléchargement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>Engine installed</source>
            <translation>Moteur installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/notices.py" />
            <source>An engine could not be installed</source>
            <translation>Un moteur n’a pas pu être installé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For embeddings</source>
            <translation>Pour les embeddings</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For chats</source>
            <translation>Pour converser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>For ranking texts</source>
            <translation>Pour classer des textes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>more than 20 languages</source>
            <translation>plus de 20 langues</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Licence: {licence}</source>
            <translation>Licence : {licence}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>sees pictures</source>
            <translation>voit les images</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{count} downloads</source>
            <translation>
                <numerusform>{count} téléchargement</numerusform>
                <numerusform>{count} téléchargements</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>There is no GGUF model in this repository.</source>
            <translation>Ce dépôt ne contient aucun modèle GGUF.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Whether they fit is not known.</source>
            <translation>On ne sait pas s’ils conviennent.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>None fits into this computer's memory. Look for a smaller model.</source>
            <translation>Aucun ne tient dans la mémoire de cet ordinateur. Cherchez un modèle plus petit.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>The repository has more files than are shown.</source>
            <translation>Le dépôt a plus de fichiers que ceux affichés.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Show Files</source>
            <translation>Voir les fichiers</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Download…</source>
            <translation>Télécharger…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Load</source>
            <translation>Charger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>Use in Place</source>
            <translation>Utiliser sur place</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{count} files</source>
            <translation>
                <numerusform>{count} fichier</numerusform>
                <numerusform>{count} fichiers</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>With this file beside it, the model sees pictures.</source>
            <translation>Avec ce fichier à côté de lui, le modèle voit les images.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{number} billion weights</source>
            <translation>{number} milliards de poids</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/offers.py" />
            <source>{number} million weights</source>
            <translation>{number} millions de poids</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Allow: its pages may send requests to the models on this computer from now on.</source>
            <translation>Autoriser : ses pages pourront désormais envoyer des requêtes aux modèles de cet ordinateur.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Refuse: it stays locked out, and you are not asked about it again.</source>
            <translation>Refuser : l’accès reste bloqué et la question n’est plus posée.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>Such pages have another name each time: the answer holds for all of them.</source>
            <translation>Ces pages changent de nom à chaque fois : la réponse vaut pour toutes.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{count} more wait for an answer.</source>
            <translation>
                <numerusform>{count} autre attend une réponse.</numerusform>
                <numerusform>{count} autres attendent une réponse.</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/origins.py" />
            <source>{origin} wants to use the server</source>
            <translation>{origin} souhaite utiliser le serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Server</source>
            <translation>Serveur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Network</source>
            <translation>Réseau</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Automatic (by the model's file)</source>
            <translation>Automatique (selon le fichier du modèle)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Mean of all tokens (mean)</source>
            <translation>Moyenne de tous les tokens (mean)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>First token (cls)</source>
            <translation>Premier token (cls)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Last token (last)</source>
            <translation>Dernier token (last)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>A score in place of a vector (rank)</source>
            <translation>Un score au lieu d’un vecteur (rank)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Automatic (by the model's name)</source>
            <translation>Automatique (d’après le nom du modèle)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Allowed</source>
            <translation>Autorisés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Not allowed</source>
            <translation>Non autorisés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This computer only</source>
            <translation>Cet ordinateur seulement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The local network too</source>
            <translation>Également le réseau local</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>As the system</source>
            <translation>Comme le système</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>From the catalogue.</source>
            <translation>Du catalogue.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This model's own value.</source>
            <translation>Valeur propre à ce modèle.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>As for all models.</source>
            <translation>Comme pour tous les modèles.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>At login, the system starts another copy of this app, or one that is gone. Switch this on to start this one.</source>
            <translation>À l’ouverture de session, le système démarre une autre copie de cette application, ou une copie disparue. Activez ce réglage pour démarrer celle-ci.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Used by {programs}.</source>
            <translation>Utilisé par {programs}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>This server has it.</source>
            <translation>Ce serveur l’occupe.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It is free.</source>
            <translation>Il est libre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>Automatic: {size} tokens for this model.</source>
            <translation>Pour ce modèle : {size} tokens.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server cannot be started with these settings: {cause}</source>
            <translation>Le serveur ne peut pas démarrer avec ces paramètres : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The server restarts.</source>
            <translation>Le serveur redémarre.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>The address changes to port {port}.</source>
            <translation>L’adresse passe au port {port}.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>{model} is loaded again.</source>
            <translation>{model} est chargé de nouveau.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/settings.py" />
            <source>It must be auto, powerinfer, llama.cpp, llama-server, remote, an installed engine such as llama.cpp-cuda, or the full path of a program.</source>
            <translation>Il faut auto, powerinfer, llama.cpp, llama-server, remote, un moteur installé comme llama.cpp-cuda, ou le chemin complet d’un programme.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Unfinished download</source>
            <translation>Téléchargement inachevé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Models take {total}; {free} are free.</source>
            <translation>Les modèles prennent {total} ; {free} sont libres.</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>{count} chosen</source>
            <translation>
                <numerusform>{count} choisi</numerusform>
                <numerusform>{count} choisis</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>What unfinished downloads have left is deleted.</source>
            <translation>Ce que les téléchargements inachevés ont laissé est supprimé.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Models of other apps stay where they are, and are no longer used from here.</source>
            <translation>Les modèles d’autres applications restent où ils sont et ne sont plus utilisés d’ici.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/space.py" />
            <source>Not used since {day}</source>
            <translation>Pas utilisé depuis le {day}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{state} · {others}</source>
            <translation>{state} · {others}</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Ready: {count} models loaded</source>
            <translation>
                <numerusform>Prêt : {count} modèle chargé</numerusform>
                <numerusform>Prêt : {count} modèles chargés</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Ready — {model}</source>
            <translation>Prêt — {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopping {model} …</source>
            <translation>Arrêt de {model}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{address}, once the server is started</source>
            <translation>{address}, une fois le serveur démarré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Downloading {name} — {progress}</source>
            <translation>Téléchargement de {name} — {progress}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{name} — {progress}</source>
            <translation>{name} — {progress}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Loading {model} … {seconds} s</source>
            <translation>Chargement de {model}… {seconds} s</translation>
        </message>
        <message numerus="yes">
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>{count} other models are ready</source>
            <translation>
                <numerusform>{count} autre modèle est prêt</numerusform>
                <numerusform>{count} autres modèles sont prêts</numerusform>
            </translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopped: {cause}</source>
            <translation>Arrêté : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Stopped — {model}</source>
            <translation>Arrêté — {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>No model yet — choose one</source>
            <translation>Aucun modèle — choisissez-en un</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Asleep: {cause}</source>
            <translation>En veille : {cause}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/status.py" />
            <source>Asleep: start it here</source>
            <translation>En veille : démarrez-le ici</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{state} · {address}</source>
            <translation>{state} · {address}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tray.py" />
            <source>{question}…</source>
            <translation>{question}…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Stopped before everything was measured. The server runs as before.</source>
            <translation>Arrêté avant la fin des mesures. Le serveur fonctionne comme avant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Keep what is set: nothing is faster by more than 5 %.</source>
            <translation>Gardez le réglage actuel : rien n’est plus rapide de plus de 5 %.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest on {engine} with {writing} threads.</source>
            <translation>Le plus rapide sur {engine} avec {writing} threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest with {writing} threads.</source>
            <translation>Le plus rapide avec {writing} threads.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest on {engine} with {writing} threads, and {reading} for batches.</source>
            <translation>Le plus rapide sur {engine} avec {writing} threads, et {reading} pour les lots.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>Fastest with {writing} threads, and {reading} for batches.</source>
            <translation>Le plus rapide avec {writing} threads, et {reading} pour les lots.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{engine}: not compared. {reason}</source>
            <translation>{engine} : non comparé. {reason}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{rate} embeddings/s</source>
            <translation>{rate} embeddings/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{rate} tokens/s</source>
            <translation>{rate} tokens/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/tuning.py" />
            <source>{times} times as fast as the built-in engine</source>
            <translation>{times} fois la vitesse du moteur intégré</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Processor</source>
            <translation>Processeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Requests</source>
            <translation>Requêtes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>Tokens</source>
            <translation>Tokens</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>{cores} cores</source>
            <translation>{cores} cœurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>{number}/s</source>
            <translation>{number}/s</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/usage.py" />
            <source>at most {value}</source>
            <translation>au plus {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>No engine</source>
            <translation>Pas de moteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Fits</source>
            <translation>Convient</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Tight</source>
            <translation>Juste</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/presenters/verdict.py" />
            <source>Does not fit</source>
            <translation>Ne convient pas</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/tray.py" />
            <source>Tray menu</source>
            <translation>Menu de la zone de notification</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/basic.py" />
            <source>Lines of the log that show it</source>
            <translation>Lignes du journal qui le montrent</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/basic.py" />
            <source>Information</source>
            <translation>Information</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/build_rows.py" />
            <source>More</source>
            <translation>Plus</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/build_rows.py" />
            <source>More: {engine}</source>
            <translation>Plus : {engine}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Sa&amp;ve…</source>
            <translation>Enre&amp;gistrer…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Texts and vectors as &amp;JSON</source>
            <translation>Textes et vecteurs en &amp;JSON</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;curl</source>
            <translation>Requête pour &amp;curl</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;Python</source>
            <translation>Requête pour &amp;Python</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Request for &amp;4D</source>
            <translation>Requête pour &amp;4D</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>No.</source>
            <translation>N°</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Text</source>
            <translation>Texte</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Norm</source>
            <translation>Norme</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>First values</source>
            <translation>Premières valeurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Embedded texts</source>
            <translation>Textes traités</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Vect&amp;or</source>
            <translation>&amp;Vecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Si&amp;milarity</source>
            <translation>Si&amp;milarité</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Save the results</source>
            <translation>Enregistrer les résultats</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Texts and vectors</source>
            <translation>Textes et vecteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>Table</source>
            <translation>Tableau</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/embedding_results.py" />
            <source>NumPy, vectors only</source>
            <translation>NumPy, vecteurs seulement</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Loaded models</source>
            <translation>Modèles chargés</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Unload</source>
            <translation>Décharger</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Keep {model} loaded</source>
            <translation>Garder {model} chargé</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Load {model}</source>
            <translation>Charger {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Dismiss: {model}</source>
            <translation>Fermer : {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Unload {model}</source>
            <translation>Décharger {model}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/engine_rows.py" />
            <source>Dismiss</source>
            <translation>Fermer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Discover &amp;Other Models</source>
            <translation>Déc&amp;ouvrir d’autres modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Choose a model to begin with</source>
            <translation>Choisissez un modèle pour commencer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>These run well on this computer. You can have others at any time.</source>
            <translation>Ceux-ci fonctionnent bien sur cet ordinateur. Vous pourrez en prendre d’autres à tout moment.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>No model of the catalogue suits this computer. Others may: look for one.</source>
            <translation>Aucun modèle du catalogue ne convient à cet ordinateur. D’autres peut-être : cherchez-en un.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Do&amp;wnload and start</source>
            <translation>Télécharger et dé&amp;marrer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>Download and &amp;start</source>
            <translation>Téléc&amp;harger et démarrer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>To check the installation</source>
            <translation>Pour vérifier l’installation</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>It needs next to no memory.</source>
            <translation>Il n’a presque pas besoin de mémoire.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/first_steps.py" />
            <source>&amp;Try it now</source>
            <translation>&amp;Essayer maintenant</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>Similarity of the texts</source>
            <translation>Similarité des textes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>The nearest of {count} texts are {first} and {second}: {value}</source>
            <translation>Les plus proches des {count} textes sont {first} et {second} : {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/heat_map.py" />
            <source>Text {first} and text {second}: {value}</source>
            <translation>Texte {first} et texte {second} : {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>Latencies of the requests</source>
            <translation>Latences des requêtes</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>Latency (ms)</source>
            <translation>Latence (ms)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/histogram.py" />
            <source>{count} requests from {low} to {high} ms</source>
            <translation>{count} requêtes de {low} à {high} ms</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Generate</source>
            <translation>Générer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Copy</source>
            <translation>Copier</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Remove</source>
            <translation>Supprimer</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Generate: {title}</source>
            <translation>Générer : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Copy: {title}</source>
            <translation>Copier : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Keep</source>
            <translation>Conserver</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Keep: {title}</source>
            <translation>Conserver : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/key_editor.py" />
            <source>Remove: {title}</source>
            <translation>Supprimer : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/log_table.py" />
            <source>Time</source>
            <translation>Heure</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/log_table.py" />
            <source>Message</source>
            <translation>Message</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/memory_bar.py" />
            <source>{title}:</source>
            <translation>{title} :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/memory_bar.py" />
            <source>⚠ {warning}</source>
            <translation>⚠ {warning}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>State</source>
            <translation>État</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>Size</source>
            <translation>Taille</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>This machine</source>
            <translation>Verdict</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>Quantization</source>
            <translation>Quant.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/model_table.py" />
            <source>Kind</source>
            <translation>Type</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/offer_rows.py" />
            <source>★ Best for this computer</source>
            <translation>★ Le meilleur pour cet ordinateur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/offer_rows.py" />
            <source>{action}: {name}</source>
            <translation>{action} : {name}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Al&amp;low</source>
            <translation>A&amp;utoriser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>&amp;Refuse</source>
            <translation>Re&amp;fuser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Allow {origin}</source>
            <translation>Autoriser {origin}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/origin_card.py" />
            <source>Refuse {origin}</source>
            <translation>Refuser {origin}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Save the picture</source>
            <translation>Enregistrer l’image</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Picture (*.png)</source>
            <translation>Image (*.png)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/pictures.py" />
            <source>Drawing (*.svg)</source>
            <translation>Dessin vectoriel (*.svg)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Plot of the vector</source>
            <translation>Graphique du vecteur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Dimension</source>
            <translation>Dimension</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Value</source>
            <translation>Valeur</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>{count} values from {low} to {high}</source>
            <translation>{count} valeurs de {low} à {high}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/plots.py" />
            <source>Dimension {index}: {value}</source>
            <translation>Dimension {index} : {value}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Automatic</source>
            <translation>Automatique</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>As for all</source>
            <translation>Comme pour tous</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset</source>
            <translation>Réinitialiser</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Reset: {title}</source>
            <translation>Réinitialiser : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>As for all models: {title}</source>
            <translation>Comme pour tous les modèles : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Browse…</source>
            <translation>Parcourir…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_editors.py" />
            <source>Browse for: {title}</source>
            <translation>Parcourir : {title}</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/setting_rows.py" />
            <source>the one of the setting Model</source>
            <translation>celui du réglage Modèle</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>All models</source>
            <translation>Tous les modèles</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>Settings for</source>
            <translation>Paramètres pour</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>For all models, or for one that is to have its own.</source>
            <translation>Pour tous les modèles, ou pour un seul qui aura les siens.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>Settings &amp;for:</source>
            <translation>Paramètres &amp;pour :</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/subject_box.py" />
            <source>{name} (not installed)</source>
            <translation>{name} (non installé)</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/widgets/usage_panel.py" />
            <source>The last two minutes, while this page is open.</source>
            <translation>Les deux dernières minutes, tant que cette page est ouverte.</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Settin&amp;gs…</source>
            <translation>&amp;Paramètres…</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Pages</source>
            <translation>Pages</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Status</source>
            <translation>État</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Engines</source>
            <translation>Moteurs</translation>
        </message>
        <message>
            <location filename="../../tray_app/ui/window.py" />
            <source>Logs</source>
            <translation>Journaux</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Built-in test model</source>
            <translation>Modèle de test intégré</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Comes with the app to check the installation; its answers mean nothing.</source>
            <translation>Fourni avec l’application pour vérifier l’installation ; ses réponses ne veulent rien dire.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Sparse 7B model for embeddings and for continuing a text, in 4 bits.</source>
            <translation>Modèle creux 7B pour les embeddings et la suite de textes, en 4 bits.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>The same model in full precision, for computers with much memory.</source>
            <translation>Le même modèle en pleine précision, pour les ordinateurs qui ont beaucoup de mémoire.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for conversation, in 4 bits: the one to chat with.</source>
            <translation>Bamboo 7B entraîné à la conversation, en 4 bits : celui avec lequel discuter.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Bamboo 7B trained for conversation, in full precision.</source>
            <translation>Bamboo 7B entraîné à la conversation, en pleine précision.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 7B made sparse, in full precision.</source>
            <translation>Llama 2 7B rendu creux, en pleine précision.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 13B made sparse, in full precision.</source>
            <translation>Llama 2 13B rendu creux, en pleine précision.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Llama 2 70B made sparse, in 4 bits.</source>
            <translation>Llama 2 70B rendu creux, en 4 bits.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Falcon 40B made sparse, in 4 bits; asks you to accept its terms on Hugging Face.</source>
            <translation>Falcon 40B rendu creux, en 4 bits ; demande d’accepter ses conditions sur Hugging Face.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages, also of long texts; texts need no prefix.</source>
            <translation>Embeddings dans plus de 100 langues, aussi de textes longs ; aucun préfixe n’est nécessaire.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages and of code; finds best, and is slower than others.</source>
            <translation>Embeddings dans plus de 100 langues et de code ; trouve le mieux, mais est plus lent que les autres.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings in more than 100 languages; small and fast.</source>
            <translation>Embeddings dans plus de 100 langues ; petit et rapide.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages; each begins with its task.</source>
            <translation>Embeddings de textes courts dans une centaine de langues ; chacun commence par sa tâche.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of short texts in about 100 languages, on any computer.</source>
            <translation>Embeddings de textes courts dans une centaine de langues, sur tout ordinateur.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 2048 tokens; each begins with its task.</source>
            <translation>Embeddings de textes anglais jusqu’à 2048 jetons ; chacun commence par sa tâche.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Embeddings of English texts up to 512 tokens; small and fast.</source>
            <translation>Embeddings de textes anglais jusqu’à 512 tokens ; petit et rapide.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Says how well texts answer a question, in more than 100 languages.</source>
            <translation>Dit à quel point des textes répondent à une question, dans plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that thinks first, uses tools and knows more than 100 languages.</source>
            <translation>Un modèle de conversation qui réfléchit d’abord, utilise des outils et connaît plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that knows more than 140 languages and answers at once.</source>
            <translation>Un modèle de conversation qui connaît plus de 140 langues et répond aussitôt.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>Half the size of Qwen3 8B: it thinks first, uses tools and knows more than 100 languages.</source>
            <translation>Moitié moins grand que Qwen3 8B : il réfléchit d’abord, utilise des outils et connaît plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model of 3B for everyday work in twelve languages; uses tools.</source>
            <translation>Un modèle de conversation de 3B pour le travail quotidien en douze langues ; utilise des outils.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model of 3B that can think first, in six European languages.</source>
            <translation>Un modèle de conversation de 3B qui peut réfléchir d’abord, en six langues européennes.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that thinks first and knows more than 100 languages.</source>
            <translation>Un petit modèle de conversation qui réfléchit d’abord et connaît plus de 100 langues.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model for English.</source>
            <translation>Un petit modèle de conversation en anglais.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A small chat model that sees pictures.</source>
            <translation>Un petit modèle de conversation qui voit les images.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model for any computer that knows many languages, and little else.</source>
            <translation>Un modèle de conversation pour tout ordinateur, qui connaît beaucoup de langues, et guère plus.</translation>
        </message>
        <message>
            <location filename="../../resources/catalog.toml" />
            <source>A chat model that answers at once on any computer; English, and not clever.</source>
            <translation>Un modèle de conversation qui répond aussitôt sur tout ordinateur ; en anglais, et pas très malin.</translation>
        </message>
    </context>
</TS>
